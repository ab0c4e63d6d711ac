// The worker: its default export runs in Piscina, and its message handler in worker_threads.
import { isMainThread, parentPort, threadId, workerData } from "node:worker_threads";

const root = (n) => ({ root: Math.sqrt(n), threadId });

export default root;

if (!isMainThread && workerData === "by messages") {
  parentPort.on("message", ({ id, n }) => parentPort.postMessage({ id, ...root(n) }));
}
