// A page of the live edition: draws what came with the page at once, then asks its kernel for each new selection.
// It speaks just as much of Jupyter's messages as that takes: updates of one widget's state over one websocket.

const CLOCK = 12000; // a kernel that has not answered by then is taken for dead

const keyOf = (selection, lang) => JSON.stringify([lang, Object.entries(selection).sort()]);

// The page came with its words in both languages, and its board in one; the address says which is wanted.
const written = document.documentElement.lang;
const asked = new URLSearchParams(location.search).get("lang");
const lang = document.querySelector(`[data-nba-lang="${CSS.escape(asked ?? "")}"]`) ? asked : written;
document.documentElement.lang = lang;
for (const part of document.querySelectorAll("[data-nba-lang]")) {
  if (part.dataset.nbaLang === lang) part.hidden = false;
  else part.remove();
}
if (lang !== written) document.title = document.querySelector("h1")?.firstChild.textContent ?? document.title;

class Kernel {
  constructor(page) {
    const script = page.querySelector("script[data-nba-kernel]");
    Object.assign(this, { id: script.dataset.nbaKernel, base: script.dataset.base });
    this.session = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    this.asked = new Map();
    const url = new URL(`${this.base}api/kernels/${this.id}/channels?session_id=${this.session}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url);
    this.opened = new Promise((done, failed) => {
      this.socket.addEventListener("open", done, { once: true });
      this.socket.addEventListener("close", failed, { once: true });
    });
    this.opened.catch(() => {});
    this.socket.addEventListener("message", ({ data }) => this.hear(data));
    this.socket.addEventListener("close", () => this.end());
  }

  hear(data) {
    if (typeof data !== "string") return;
    const { msg_type: kind, content } = JSON.parse(data);
    if (kind === "status" && ["dead", "restarting"].includes(content.execution_state)) this.end();
    const state = kind === "comm_msg" && content.data.method === "update" ? content.data.state : {};
    const question = this.asked.get(content.comm_id);
    if (!state.view || question?.key !== keyOf(state.view.selection, state.view.lang)) return; // it comes too late
    this.asked.delete(content.comm_id);
    question.done(state);
  }

  end() {
    this.dead = true;
    for (const { failed } of this.asked.values()) failed(new Error("the kernel is gone"));
    this.asked.clear();
    this.socket.close();
  }

  farewell() {
    navigator.sendBeacon(`${this.base}voila/api/shutdown/${this.id}`);
  }

  async ask(comm, selection) {
    if (this.dead) throw new Error("the kernel is gone");
    await this.opened;
    const header = {
      msg_id: `${this.session}-${performance.now()}`,
      msg_type: "comm_msg",
      session: this.session,
      username: "",
      version: "5.3",
      date: new Date().toISOString(),
    };
    const content = { comm_id: comm, data: { method: "update", state: { lang, selection }, buffer_paths: [] } };
    return new Promise((done, failed) => {
      this.asked.get(comm)?.failed(new Error("another view was asked for"));
      this.asked.set(comm, { key: keyOf(selection, lang), done, failed });
      setTimeout(() => failed(new Error("the kernel does not answer")), CLOCK);
      this.socket.send(JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: "shell", buffers: [] }));
    });
  }
}

let kernel = new Kernel(document);
const mountsOf = (page) => [...page.querySelectorAll("[data-nba-model]")];
const stateOf = (mount) => JSON.parse(mount.querySelector("script").textContent);
let comms = mountsOf(document).map((mount) => mount.dataset.nbaModel);
const editions = mountsOf(document).map((mount) => stateOf(mount).page.edition);

// Kernels end when they have been idle, or by accident. The page fetches itself again, and with it comes a new one. If
// it reads another release by now, the whole page is shown anew: never half of each.
async function renew() {
  const answer = await fetch(location.pathname, { cache: "no-store" });
  if (!answer.ok) throw new Error("there is no kernel to be had");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const mounts = mountsOf(page);
  if (mounts.some((mount, rank) => stateOf(mount).page.edition !== editions[rank])) location.reload();
  comms = mounts.map((mount) => mount.dataset.nbaModel);
  kernel = new Kernel(page);
}

class LiveModel extends Model {
  constructor(state, rank) {
    super(state);
    Object.assign(this, { rank, known: { [keyOf(state.selection, state.page.lang)]: state.view } });
  }

  get ready() {
    return this.state.page.lang === lang;
  }

  async ask(selection) {
    const key = keyOf(selection, lang);
    this.failed = false;
    try {
      this.known[key] ??= await this.view(selection);
      if (key === keyOf(this.state.selection, lang)) this.show(this.known[key]);
    } catch {
      if (key !== keyOf(this.state.selection, lang)) return;
      this.failed = true;
      this.tell("lost");
    }
  }

  async view(selection) {
    const answer = await this.answer(selection);
    if (answer.page) this.state.page = answer.page; // it is in another language
    return answer.view;
  }

  async answer(selection) {
    const first = kernel;
    try {
      return await first.ask(comms[this.rank], selection);
    } catch (trouble) {
      if (!first.dead && keyOf(selection, lang) !== keyOf(this.state.selection, lang)) throw trouble;
      if (first === kernel) {
        if (!first.dead) first.farewell(); // it may still be at work
        first.end();
        await renew();
      }
      return kernel.ask(comms[this.rank], selection);
    }
  }
}

addEventListener("pagehide", () => kernel.farewell());
addEventListener("pageshow", (event) => event.persisted && location.reload());
mountPages((state, mount) => new LiveModel(state, mountsOf(document).indexOf(mount)));
