// Computes square roots through a pool of Piscina, with 4,096 in flight. Prints tasks/ms, ns of CPU
// time for each task, and the peak memory in MiB.
import { Piscina } from "piscina";
import { threadId } from "node:worker_threads";

const WARM_UP = 4_096;
const TASKS = 40_000;
const IN_FLIGHT = 4_096;

const threads = Number(process.argv[2]);
const filename = new URL("./worker.mjs", import.meta.url).href;
const pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });

async function roots(count) {
  const window = [];
  let oldest = 0;
  for (let n = 0; n < count; n++) {
    if (window.length - oldest === IN_FLIGHT) check(oldest, await window[oldest++]);
    window.push(pool.run(n));
  }
  while (oldest < count) check(oldest, await window[oldest++]);
}

function check(n, result) {
  if (result.root !== Math.sqrt(n) || result.threadId === threadId) throw new Error(`root ${n} is wrong`);
}

await roots(WARM_UP);
const [began, cpu] = [performance.now(), process.cpuUsage()];
await roots(TASKS);
const took = performance.now() - began;
const { user, system } = process.cpuUsage(cpu);
console.log(TASKS / took, ((user + system) * 1e3) / TASKS, process.resourceUsage().maxRSS / 1024);
await pool.destroy();
