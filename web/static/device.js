"use strict";
// The telephone of a desk, whatever is behind it: createDevice(config) gives an object with
//   register(), on(event, fn), accept(), reject(), hangup(), mute(on), keys(digits),
//   destroy()
// and the events
//   incoming {id, from}, connected {id, through}, disconnected {id, why}, error {code, message},
//   tokenWillExpire {}. `through` is "telephone" where another one of the agent's took the call.
// A kind of telephone is a class that another file adds: device-twilio.js has browser voice, and in
// development the simulator serves a stand-in. Without an argument the configuration is read from
// <script type="application/json" id="device-config">: kind, identity, base, tokenUrl, words.

(() => {
  class DeviceBase {
    constructor(config) {
      this.config = config;
      this.listeners = new Map();
    }

    on(event, listener) {
      this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
      return this;
    }

    emit(event, detail = {}) {
      for (const listener of this.listeners.get(event) ?? []) listener(detail);
    }

    // What went wrong, as a code and as words for whoever sits at the desk.
    fails(code, detail = {}) {
      const words = this.config.words ?? {};
      this.emit("error", { ...detail, code, message: words[code] ?? words.failed ?? code });
    }
  }

  // What a page has where nothing can ring: it says so when it is asked to.
  class NoDevice extends DeviceBase {
    async register() { this.fails(this.config.kind ? "unreachable" : "none"); }
    async accept() { this.fails("none"); }
    async reject() { this.fails("none"); }
    async hangup() { this.fails("none"); }
    async mute() { this.fails("none"); }
    async keys() { this.fails("none"); }
    destroy() { this.listeners.clear(); }
  }

  const kinds = new Map();

  function pageConfig() {
    const block = document.getElementById("device-config");
    const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
    return { kind: "", csrf, ...(block ? JSON.parse(block.textContent) : {}) };
  }

  window.DeviceBase = DeviceBase;
  window.addDeviceKind = (name, kind) => kinds.set(name, kind);
  window.createDevice = (config = {}) => {
    const whole = { ...pageConfig(), ...config };
    return new (kinds.get(whole.kind) ?? NoDevice)(whole);
  };
})();
