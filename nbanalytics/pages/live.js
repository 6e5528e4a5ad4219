// A page of the live edition: draws what came with the page at once, then asks its kernel for each new selection.
// It speaks just as much of Jupyter's messages as that takes: updates of one widget's state over one websocket.

const script = document.querySelector("script[data-nba-kernel]");
const { nbaKernel: kernel, base, board: address } = script.dataset;

class Connection {
  constructor() {
    this.session = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    this.models = new Map();
    this.queue = [];
    this.socket = null;
  }

  open() {
    const url = new URL(`${base}api/kernels/${kernel}/channels?session_id=${this.session}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url);
    this.socket.addEventListener("open", () => {
      for (const text of this.queue.splice(0)) this.socket.send(text);
    });
    this.socket.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return;
      const message = JSON.parse(data);
      if (message.msg_type === "comm_msg" && message.content.data.method === "update") {
        this.models.get(message.content.comm_id)?.receive(message.content.data.state);
      }
      if (message.msg_type === "status" && message.content.execution_state === "dead") this.lost();
    });
    this.socket.addEventListener("close", () => this.lost());
  }

  send(comm, state) {
    const header = {
      msg_id: `${this.session}-${performance.now()}`,
      msg_type: "comm_msg",
      session: this.session,
      username: "",
      version: "5.3",
      date: new Date().toISOString(),
    };
    const content = { comm_id: comm, data: { method: "update", state, buffer_paths: [] } };
    const text = JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: "shell", buffers: [] });
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
    else if (this.socket.readyState === WebSocket.CONNECTING) this.queue.push(text);
    else this.lost();
  }

  lost() {
    for (const model of this.models.values()) model.tell("lost");
  }
}

class Model {
  constructor(connection, comm, state) {
    Object.assign(this, { connection, comm, state, changed: {}, listeners: new Map() });
    connection.models.set(comm, this);
  }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.changed[name] = value; }
  save_changes() { this.connection.send(this.comm, this.changed); this.changed = {}; }
  on(event, listener) { this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]); }
  send() {}
  tell(event) { for (const listener of this.listeners.get(event) ?? []) listener(); }
  receive(state) {
    Object.assign(this.state, state);
    for (const name of Object.keys(state)) this.tell(`change:${name}`);
  }
}

const connection = new Connection();
connection.open();
addEventListener("pagehide", () => navigator.sendBeacon(`${base}voila/api/shutdown/${kernel}`));
addEventListener("pageshow", (event) => event.persisted && location.reload());

const { default: board } = await import(new URL(address, location.href));
for (const mount of document.querySelectorAll("[data-nba-model]")) {
  const state = JSON.parse(mount.querySelector("script").textContent);
  const model = new Model(connection, mount.dataset.nbaModel, state);
  mount.replaceChildren();
  board.render({ model, el: mount });
}
