"use strict";
// A passkey as the second factor: the browser's own window asks the person, and what the key signs
// goes back. Where there are no passkeys the part of the page stays hidden, and a code does as well.
{
  const part = document.querySelector("[data-passkey]");
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");

  async function send(path, fields) {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "X-CSRFToken": csrf(), Accept: "application/json" },
      body: new URLSearchParams(fields),
    });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.message || part.dataset.refused);
    return found;
  }

  const described = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  async function made(asked) {
    const key = await navigator.credentials.create({
      publicKey: {
        ...asked,
        challenge: bytes(asked.challenge),
        user: { ...asked.user, id: bytes(asked.user.id) },
        excludeCredentials: described(asked.excludeCredentials),
      },
    });
    return {
      attestationObject: text(key.response.attestationObject),
      transports: key.response.getTransports ? key.response.getTransports() : [],
      key,
    };
  }

  async function used(asked) {
    const key = await navigator.credentials.get({
      publicKey: {
        ...asked,
        challenge: bytes(asked.challenge),
        allowCredentials: described(asked.allowCredentials),
      },
    });
    return {
      authenticatorData: text(key.response.authenticatorData),
      signature: text(key.response.signature),
      key,
    };
  }

  async function go() {
    const next = { next: part.dataset.next };
    const asked = await send(part.dataset.ask, next);
    if (asked.next) return location.assign(asked.next);
    let signed;
    try {
      signed = await (part.dataset.passkey === "make" ? made(asked) : used(asked));
    } catch (error) {
      // The person closed the window, has no such key, or made this one before.
      throw new Error(part.dataset.notGiven);
    }
    const { key, ...response } = signed;
    response.clientDataJSON = text(key.response.clientDataJSON);
    const answer = JSON.stringify({ id: key.id, rawId: text(key.rawId), type: key.type, response });
    const name = document.getElementById("passkey-name");
    const led = await send(part.dataset.answer, { ...next, answer, name: name ? name.value : "" });
    location.assign(led.next);
  }

  if (part && window.PublicKeyCredential) {
    const here = part.querySelector("[data-here]");
    const button = part.querySelector("button");
    const problem = part.querySelector(".problem");
    part.hidden = false;
    // Keys sign for one site. On a developer's machine that is not the address of numbers.
    here.hidden = location.origin !== part.dataset.origin;
    const elsewhere = part.querySelector("[data-elsewhere]");
    elsewhere.hidden = !here.hidden;
    elsewhere.querySelector("a").href = part.dataset.origin + location.pathname + location.search;
    button.addEventListener("click", async () => {
      button.disabled = true;
      problem.hidden = true;
      try {
        await go();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        button.disabled = false;
      }
    });
  }
}
