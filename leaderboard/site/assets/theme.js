// In the head, so that a page never flashes in the wrong colours.
(() => {
  document.documentElement.classList.add("scripted");
  try {
    const theme = localStorage.getItem("sat-zoo-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // A page opened from a file may have no storage; the system's preference then decides.
  }
})();
