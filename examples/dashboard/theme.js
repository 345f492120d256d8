const THEMES = { "light dark": "Auto", light: "Light", dark: "Dark" };

/** A button that goes through the system's choice, light and dark; remembered in this browser. */
export function switchTheme(button) {
  const apply = (theme) => {
    document.documentElement.style.colorScheme = theme;
    button.textContent = THEMES[theme];
    button.setAttribute("aria-label", `Theme: ${THEMES[theme]}`);
  };
  let current = localStorage.getItem("theme");
  if (!(current in THEMES)) current = "light dark";
  apply(current);
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    current = names[(names.indexOf(current) + 1) % names.length];
    localStorage.setItem("theme", current);
    apply(current);
  });
}
