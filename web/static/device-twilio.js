"use strict";
// Browser voice: a device (see device.js) over the provider's Voice JavaScript SDK, which is loaded
// before and leaves a global `Twilio.Device`. It only takes calls; a desk rings nobody itself.

(() => {
  // Elderly callers on bad lines: the desk's side is cleaned before it is sent.
  const CONSTRAINTS = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  // Asked for so long before the token ends (milliseconds); it lives for an hour.
  const REFRESH_MS = 60_000;
  // The SDK's error numbers, by what somebody at a desk can do about them.
  const CODES = new Map([
    [20101, "token"], [20104, "token"], [31202, "token"], [31204, "token"], [31205, "token"],
    [31207, "token"], [31401, "microphone"], [31402, "microphone"], [31000, "failed"],
    [31003, "media"], [31005, "unreachable"], [31009, "unreachable"], [53000, "unreachable"],
    [53001, "unreachable"], [53400, "media"], [53402, "media"], [53405, "media"],
  ]);
  const TOKEN_CODES = new Set([20101, 20104, 31204, 31205, 31207]);
  const RETRY_MS = 5_000;

  class TwilioDevice extends window.DeviceBase {
    device = null;
    call = null;
    ended = false;
    renewed = false;

    // Ask for the microphone now: nobody should be asked while a caller waits to be answered.
    async register() {
      if (!window.Twilio?.Device) return this.fails("none");
      const token = await this.token();
      if (!token || this.ended) return undefined;
      if (!(await this.hears())) return undefined;
      this.device = new window.Twilio.Device(token, {
        closeProtection: true,
        codecPreferences: ["opus", "pcmu"],
        logLevel: "error",
        tokenRefreshMs: REFRESH_MS,
        allowIncomingWhileBusy: false,
      });
      // The page rings in its own way, and sounds of another host are not let in.
      this.device.audio?.incoming(false);
      this.device.audio?.outgoing(false);
      this.device.audio?.disconnect(false);
      this.device.on("incoming", (call) => this.rings(call));
      this.device.on("error", (error) => this.told(error));
      this.device.on("registered", () => { this.renewed = false; });
      this.device.on("tokenWillExpire", () => this.renews());
      await this.device.audio?.setAudioConstraints?.(CONSTRAINTS);
      try {
        await this.device.register();
      } catch (error) {
        this.told(error);
      }
      return undefined;
    }

    async token() {
      try {
        const answer = await fetch(this.config.tokenUrl, {
          method: "POST", cache: "no-store", credentials: "same-origin", redirect: "error",
          headers: { "X-CSRFToken": this.config.csrf, Accept: "application/json" },
        });
        if (answer.ok) return (await answer.json()).token;
        const codes = { 401: "signed_out", 403: "signed_out", 404: "not_set" };
        this.fails(codes[answer.status] ?? "failed");
      } catch {
        this.fails("unreachable");
        if (!this.device && !this.ended) setTimeout(() => this.register(), RETRY_MS);
      }
      return "";
    }

    async hears() {
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS });
        for (const track of stream.getTracks()) track.stop();
        return true;
      } catch {
        this.fails("microphone");
        return false;
      }
    }

    async renews() {
      this.emit("tokenWillExpire");
      const token = await this.token();
      if (token) this.device?.updateToken(token);
    }

    told(error) {
      const code = CODES.get(error?.code) ?? "failed";
      this.fails(code, { number: error?.code ?? 0 });
      // Once: a key that is wrong would have tokens made for ever.
      if (!TOKEN_CODES.has(error?.code) || this.renewed) return;
      this.renewed = true;
      this.renews();
    }

    rings(call) {
      this.call = call;
      const id = call.parameters.CallSid;
      const over = (why) => () => {
        if (this.call !== call) return;
        this.call = null;
        this.emit("disconnected", { id, why });
      };
      call.on("accept", () => this.emit("connected", { id }));
      call.on("disconnect", over("ended"));
      call.on("cancel", over("cancelled"));
      call.on("reject", over("rejected"));
      call.on("error", (error) => this.told(error));
      call.on("reconnecting", () => this.fails("unstable", { id }));
      this.emit("incoming", { id, from: call.parameters.From });
    }

    async accept() { this.with((call) => call.accept({ rtcConstraints: { audio: CONSTRAINTS } })); }
    async reject() { this.with((call) => call.reject()); }
    async hangup() { this.with((call) => call.disconnect()); }
    async mute(on) { this.with((call) => call.mute(Boolean(on))); }
    async keys(digits) { this.with((call) => call.sendDigits(digits)); }

    with(act) {
      if (this.call) act(this.call);
      else this.fails("no_call");
    }

    destroy() {
      this.ended = true;
      this.device?.destroy();
      this.listeners.clear();
    }
  }

  window.addDeviceKind("twilio", TwilioDevice);
})();
