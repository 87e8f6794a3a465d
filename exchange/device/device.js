"use strict";
// A desk's telephone in development: what the service's device.js calls a kind of device, over the
// simulator's /device/NAME paths instead of the provider's voice library. It carries no sound; what
// is said into the call comes as an event `heard` {text}.

(() => {
  const { addDeviceKind, DeviceBase } = window;
  const LOOK_MS = 400;
  const TROUBLE_MS = 2_000;

  class StandIn extends DeviceBase {
    call = "";
    after = 0;
    ended = false;
    lost = false;
    polling = false;

    get path() {
      return `${this.config.base}/device/${encodeURIComponent(this.config.identity)}`;
    }

    async register() {
      const state = await this.ask("register", {});
      if (!state) {
        if (!this.ended) setTimeout(() => this.register(), TROUBLE_MS);
        return;
      }
      this.after = state.count;
      if (!this.polling) this.poll();
    }

    async poll() {
      this.polling = true;
      while (!this.ended) {
        const state = await this.ask(`events?after=${this.after}`);
        if (this.ended) return;
        if (state === undefined) {
          // The simulator was started anew, and knows nobody.
          this.over("lost");
          this.polling = false;
          return void this.register();
        }
        for (const event of state?.events ?? []) {
          this.after = event.n;
          this.takes(event);
        }
        await new Promise((resolve) => setTimeout(resolve, state ? LOOK_MS : TROUBLE_MS));
      }
    }

    takes(event) {
      switch (event.kind) {
        case "registered":
          // Not by this page, which counts from its own registration on.
          this.fails("elsewhere");
          this.destroy();
          break;
        case "incoming":
          this.call = event.call;
          this.emit("incoming", { id: event.call, from: event.from });
          break;
        case "connected":
          this.call = event.call;
          this.emit("connected", { id: event.call, through: event.through });
          break;
        case "cancelled":
          this.over("cancelled");
          break;
        case "disconnected":
          this.over(event.reason);
          break;
        case "heard":
          this.emit("heard", { id: this.call, text: event.text });
          break;
      }
    }

    over(why) {
      if (!this.call) return;
      const id = this.call;
      this.call = "";
      this.emit("disconnected", { id, why });
    }

    // Null where the simulator does not answer, undefined where it does not know this device.
    async ask(what, given) {
      const options = given === undefined ? {} : {
        method: "POST", body: JSON.stringify(given), headers: { "Content-Type": "application/json" },
      };
      try {
        const answer = await fetch(`${this.path}/${what}`, { cache: "no-store", mode: "cors", ...options });
        if (answer.status === 404) return undefined;
        if (answer.status === 409) return this.fails("no_call") ?? null;
        if (!answer.ok) throw new Error(answer.status);
        this.lost = false;
        return await answer.json();
      } catch {
        // Told once, not at every try.
        if (!this.lost && !this.ended) this.fails("unreachable");
        this.lost = true;
        return null;
      }
    }

    async act(what, given = {}) {
      if (!this.call) return this.fails("no_call");
      return this.ask(what, given);
    }

    async accept() { await this.act("accept"); }
    async reject() { await this.act("reject"); }
    async hangup() { await this.act("hangup"); }
    async mute(on) { await this.act("mute", { on: Boolean(on) }); }
    async keys(digits) { await this.act("press", { keys: digits }); }

    destroy() {
      this.ended = true;
      this.listeners.clear();
    }
  }

  addDeviceKind("stand-in", StandIn);
})();
