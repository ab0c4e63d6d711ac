// What a worker does, for Piscina as its default export, for worker_threads by messages.
import { isMainThread, parentPort, threadId, workerData } from "node:worker_threads";

const root = (n) => ({ root: Math.sqrt(n), threadId });

export default root;

if (!isMainThread && workerData === "by messages") {
  parentPort.on("message", ({ id, n }) => parentPort.postMessage({ id, ...root(n) }));
}
