const THEMES = { "light dark": "System", light: "Light", dark: "Dark" };

/** A button that goes through the system's choice, light and dark; remembered in this browser. */
export function switchTheme(button) {
  const apply = (theme) => {
    document.documentElement.style.colorScheme = theme;
    button.querySelector(".text").textContent = `Theme: ${THEMES[theme]}`;
  };
  let current = localStorage.getItem("theme");
  if (!Object.hasOwn(THEMES, current)) current = "light dark";
  apply(current);
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    current = names[(names.indexOf(current) + 1) % names.length];
    localStorage.setItem("theme", current);
    apply(current);
  });
}
