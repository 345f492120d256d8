import { Runs } from "./runs";

export default function Page() {
  return (
    <main>
      <h1>Live runs</h1>
      <Runs id="one" />
      <Runs id="other" />
    </main>
  );
}
