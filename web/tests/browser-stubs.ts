/** The little that the modules under test ask of a browser when they are loaded. */
Object.assign(globalThis, {
  window: { addEventListener: () => undefined },
  document: { querySelector: () => null },
});
