// child processes, compression, cryptography, workers and signals
const {execFileSync, spawn} = require("child_process"), zlib = require("zlib"), crypto = require("crypto");
const {Worker} = require("worker_threads");
console.log(crypto.createHash("sha256").update("abc").digest("hex"));
console.log(zlib.gunzipSync(zlib.gzipSync("zipped")).toString(), execFileSync("echo", ["child"]).toString());
let n = 0;
for (let i = 0; i < 3e6; i++) n = (n * 31 + i) | 0;
console.log(n);
const keep = setInterval(() => {}, 1000);
process.on("SIGUSR2", () => { console.log("usr2"); clearInterval(keep); });
new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", {eval: true}).on("message", m => {
	console.log("worker", m);
	crypto.pbkdf2("p", "s", 1000, 8, "sha1", (e, k) => {
		console.log(k.toString("hex"));
		spawn("sh", ["-c", "kill -9 $$"]).on("exit", (c, s) => {
			console.log(c, s);
			process.kill(process.pid, "SIGUSR2");
		});
	});
});
process.on("exit", c => console.log("exit", c));
process.exitCode = 12;
