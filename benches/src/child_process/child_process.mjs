// Sends a message to a child process and waits for the answer, one at a time. Prints the median in
// nanoseconds.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

if (process.argv[2] === "child") {
  process.on("message", ({ x, y }) => process.send(x + y));
} else {
  const child = fork(fileURLToPath(import.meta.url), ["child"]);
  const call = (x, y) =>
    new Promise((resolve) => {
      child.once("message", resolve);
      child.send({ x, y });
    });
  const times = [];
  for (let n = 0; n < 20000; n++) {
    const began = process.hrtime.bigint();
    if ((await call(n, 1)) !== n + 1) throw new Error("a wrong answer");
    times.push(Number(process.hrtime.bigint() - began));
  }
  child.disconnect();
  times.sort((a, b) => a - b);
  console.log(times[times.length / 2]);
}
