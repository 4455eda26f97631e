/** Browser globals that the modules under test need when they are loaded. */
Object.assign(globalThis, {
  window: { addEventListener: () => undefined },
  document: { querySelector: () => null },
});
