import { find, say } from "./elements.js";
import { config, credentialsOfAddress, request } from "./session.js";

const form = find("sign-in");
const error = form.querySelector(".error");

/** Shows the form in place of the page, with the reason, until somebody has signed in; then `onEntered(config)`. */
export function askWho(onEntered, reason = "") {
  find("app").hidden = true;
  form.hidden = false;
  say(error, reason);
  const known = credentialsOfAddress();
  if (known) Object.assign(form.user, { value: known.user }) && Object.assign(form.password, { value: known.password });
  (form.password.value ? form.querySelector("button") : form.password).focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await request("POST", "/session", { user: form.user.value, password: form.password.value });
      const answer = await config();
      form.password.value = "";
      form.hidden = true;
      onEntered(answer);
    } catch (failure) {
      say(error, failure.message);
    } finally {
      button.disabled = false;
    }
  };
}
