// Before the first paint, so that a stored choice never flashes. A file of its own: the policy allows no inline script.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be refused; then the system decides.
}
