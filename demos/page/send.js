// Photographs to POST /score, a few at a time and within the service's limits. Every job ends as a row or as
// a reason; what the service refuses for now (429, 503) waits as long as it says, and is sent again.

const AT_ONCE = 2, OF_A_REQUEST = 8; // small requests: rows come soon, and little is sent twice
const TRIES = 3; // of what gets no answer in time

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

export class Sender {
  // limits: of GET /limits. found(job, row): a row of the answer, or {error, again: true} where sending once
  // more may help. told(sender): something has changed.
  constructor(limits, found, told) {
    Object.assign(this, { limits, found, told, jobs: [], workers: 0, flying: 0, done: 0, total: 0, note: "", stopped: false });
    this.bytes = 0.9 * limits.max_body * 2 ** 20; // the rest is for names and boundaries
    this.most = Math.min(OF_A_REQUEST, limits.max_files);
    this.ready = 0; // when the service wants to be asked again
    this.silent = 0; // answers that did not come, in a row
  }

  get busy() { return this.jobs.length + this.flying > 0; }

  add(jobs) { // of {entry, model}; entry.file is sent
    if (!this.busy) this.done = this.total = 0;
    this.total += jobs.length;
    this.jobs.push(...jobs);
    this.go();
  }

  drop(unwanted) { // jobs that need not be sent any more
    const dropped = this.jobs.filter(unwanted);
    this.total -= dropped.length;
    this.jobs = this.jobs.filter((job) => !unwanted(job));
    return dropped;
  }

  stop() {
    this.stopped = true;
    this.told(this);
  }

  go() {
    this.stopped = false;
    this.note = "";
    while (this.workers < Math.min(AT_ONCE, this.jobs.length)) this.#work();
    this.told(this);
  }

  async #work() {
    this.workers++;
    while (this.jobs.length && !this.stopped) {
      const wait = this.ready - Date.now();
      if (wait > 0) {
        await pause(Math.min(wait / 1000, 0.5));
        continue;
      }
      const batch = this.#batch(), count = batch.length;
      this.flying += count;
      await this.#send(batch);
      this.flying -= count;
      this.told(this);
    }
    this.workers--;
    this.told(this);
  }

  #batch() { // of one model, small enough
    const [first] = this.jobs, batch = [];
    let size = 0;
    for (const job of this.jobs) {
      if (job.model !== first.model || batch.length === this.most) break;
      if (batch.length && (job.alone || first.alone || size + job.entry.file.size > this.bytes)) break;
      size += job.entry.file.size;
      batch.push(job);
    }
    this.jobs.splice(0, batch.length);
    return batch;
  }

  #end(job, row) {
    this.done++;
    this.found(job, row);
  }

  #later(batch) {
    this.jobs.unshift(...batch);
  }

  async #send(batch) {
    const form = new FormData();
    for (const { entry } of batch) form.append("images", entry.file, entry.file.name);
    const [{ entry, model }] = batch;
    if (batch.length === 1 && entry.file.size > this.bytes)
      return this.#end(batch[0], { error: `more than the ${this.limits.max_body} MB that this server takes` });
    let answer, body;
    try {
      answer = await fetch(`score?model=${encodeURIComponent(model)}`, { method: "POST", body: form });
      const text = await answer.text();
      body = answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : {}; // a proxy's own page
    } catch {
      return this.#unanswered(batch);
    }
    this.silent = 0;
    if (body.rows?.length === batch.length) {
      this.note = "";
      batch.forEach((job, i) => this.#end(job, body.rows[i]));
    } else if (answer.status === 429 || answer.status >= 500) {
      const seconds = Number(answer.headers.get("Retry-After")) || 1;
      this.ready = Date.now() + 1000 * seconds;
      this.note = `the server is busy: again in ${seconds} s`;
      this.#retry(batch, answer.status !== 429, body.detail ?? `status ${answer.status}`);
    } else if (batch.length > 1) this.#alone(batch); // one of them may be the reason
    else this.#end(batch[0], { error: typeof body.detail === "string" ? body.detail : `status ${answer.status}` });
  }

  #alone(batch) {
    for (const job of batch) Object.assign(job, { alone: true, tries: 0 });
    this.#later(batch);
  }

  #retry(batch, counted, reason) {
    for (const job of batch) job.tries = (job.tries ?? 0) + counted;
    if (batch.every((job) => job.tries < TRIES)) this.#later(batch);
    else if (batch.length > 1) this.#alone(batch);
    else this.#end(batch[0], { error: reason, again: true });
  }

  async #unanswered(batch) {
    for (const job of [...batch]) { // a file that was moved or changed since it was dropped
      const file = job.entry.file;
      if (await file.slice(0, 1).arrayBuffer().then(() => false, () => true)) {
        batch.splice(batch.indexOf(job), 1);
        this.#end(job, { error: "the file can no longer be read: drop it here again" });
      }
    }
    this.#later(batch);
    if (!batch.length) return;
    if (++this.silent < TRIES) {
      this.ready = Date.now() + 1000 * 2 ** this.silent;
      this.note = "the server does not answer: trying again";
    } else {
      this.silent = 0;
      this.stopped = true;
      this.note = "the server does not answer: is it running?";
    }
  }
}
