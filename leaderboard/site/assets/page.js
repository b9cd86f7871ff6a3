// Every page: the switch between light and dark, and copying a command.
const root = document.documentElement;
const toggle = document.getElementById("theme");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

function sayTheme() {
  toggle.setAttribute("aria-pressed", String(isDark()));
  toggle.querySelector("span").textContent = isDark() ? "Light" : "Dark";
}

toggle.hidden = false;
toggle.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("sat-zoo-theme", root.dataset.theme);
  } catch {
    // No storage: the choice lasts as long as the page.
  }
  sayTheme();
});
prefersDark.addEventListener("change", sayTheme);
sayTheme();

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  const label = [...button.childNodes];
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy it by hand";
    }
    setTimeout(() => button.replaceChildren(...label), 2000);
  });
}
performance.mark("page-ready");
