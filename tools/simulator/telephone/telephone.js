"use strict";
// The page's half of the telephone: it plays what the service says, counts the caller's silence,
// and tells the simulator what was pressed or said. What an answer means is decided over there.

// ------------------------------------------------------------------ words

const WORDS = {
  fr: {
    document: "Téléphone – Allô Rendez-vous", title: "Téléphone d’essai",
    languages: "Langue de la page", phone: "Le téléphone", pad: "Clavier du téléphone",
    idle: "Prêt à appeler", ringing: "Ça sonne…", online: "En ligne", queue: "En attente d’une personne",
    joining: "Mise en relation…", agent: "En ligne avec une personne", held: "La personne vous a mis en attente",
    over: "Appel terminé", lost: "Liaison perdue…",
    to: "Vous appelez", from: "Vous appelez depuis", mobile: "un portable : {}", landline: "un téléphone fixe : {}",
    withheld: "un numéro masqué", own: "un autre numéro…", own_number: "Numéro qui appelle",
    calling_mobile: "depuis le portable {}", calling_landline: "depuis le fixe {}",
    calling_withheld: "depuis un numéro masqué", calling_own: "depuis le {}",
    call: "Appeler", hang_up: "Raccrocher", words: "Ce que vous dites", speak: "Dire",
    microphone: "Parler au micro", settings: "Réglages", voice: "Voix et sons",
    patient: "Sans limite de temps", texts: "SMS reçus", to_texts: "Un SMS est arrivé : le lire", talk: "La conversation",
    empty: "Appuyez sur « Appeler » : ce téléphone appelle pour de vrai le service qui tourne sur cette machine. Rien ne sort d’ici et aucun SMS n’est facturé.",
    try_born: "Date de naissance à essayer", try_code: "Code postal à essayer", try_keys: "À tout moment",
    try_keys_what: "0 une personne, 8 plus lentement, 9 répéter, * retour",
    silence: "(silence)", silence_in: "Le service attend encore {} s",
    no_limit: "Le service attend, sans limite",
    answering: "Le service vous attend pendant que vous répondez", typed: "Touches composées : {}",
    play: "♪ un enregistrement", music: "♪ musique d’attente", dial: "Mise en relation : {}",
    talk_began: "Une personne est en ligne avec vous.", talk_ended: "La personne n’est plus en ligne.", beep: "(bip)",
    rings: "Appel de {} pour le {}", take: "Décrocher", refuse: "Raccrocher", rang_out: "L’appel ne sonne plus.",
    called_by: "appelé par {}", talking: "Vous parlez avec une personne : les touches ne servent à rien ici.",
    you: "Vous :", service: "Le service :", text_from: "De {} pour {}, à {}",
    keys_only: "Ici, le service n’écoute que les touches : ce que vous dites n’est pas entendu.",
    speech_too: "Ici, vous pouvez aussi répondre à voix haute.",
    keys_first: "Vous avez commencé avec les touches : terminez avec les touches.",
    late: "Trop tôt ou trop tard : à ce moment, le service n’écoutait pas.",
    deaf_to_keys: "Ici, le service n’écoute que la voix : la touche n’est pas entendue.",
    not_calling: "Appelez d’abord.", listening: "Parlez…", not_understood: "Le micro n’a rien compris.",
    microphone_refused: "Le micro n’est pas disponible dans ce navigateur : écrivez ce que vous dites.",
    no_voice: "Ce navigateur n’a pas de voix pour cette langue : lisez ce qui est dit.",
    end_hangup: "Le service a raccroché.", end_caller: "Vous avez raccroché.",
    end_away: "L’appel a été raccroché : cette page est restée absente plus d’une minute.",
    end_cut: "L’appel a été coupé par le service.",
    end_trouble: "L’appel s’est terminé sur une erreur.", end_rejected: "L’appel a été refusé.",
    trouble_connect: "Le service ne répond pas à {} : est-il démarré (make run) ?",
    trouble: "Le service a mal répondu (erreur {} de Twilio : {}).",
    too_many_calls: "Trop d’appels à la fois sur ce simulateur : réessayez dans un moment.",
    bad_number: "Ce numéro n’existe pas : donnez un numéro français de dix chiffres, ou un numéro qui commence par +.",
    gone: "Le simulateur a redémarré : l’appel est perdu. Appelez de nouveau.",
    unreachable: "Le simulateur ne répond pas : est-il arrêté ? La page réessaie.",
    not_this_host: "Ce téléphone ne sert que sur cette machine : ouvrez-le à l’adresse 127.0.0.1.",
    failed: "La demande a échoué ({}).",
  },
  en: {
    document: "Telephone – Allô Rendez-vous", title: "A telephone to try",
    languages: "Language of the page", phone: "The telephone", pad: "Telephone keypad",
    idle: "Ready to call", ringing: "Ringing…", online: "On the line", queue: "Waiting for a person",
    joining: "Connecting…", agent: "On the line with a person", held: "The person has put you on hold",
    over: "Call ended", lost: "Connection lost…",
    to: "You call", from: "You call from", mobile: "a mobile: {}", landline: "a landline: {}",
    withheld: "a withheld number", own: "another number…", own_number: "Calling number",
    calling_mobile: "from the mobile {}", calling_landline: "from the landline {}",
    calling_withheld: "from a withheld number", calling_own: "from {}",
    call: "Call", hang_up: "Hang up", words: "What you say", speak: "Say it",
    microphone: "Speak into the microphone", settings: "Settings", voice: "Voice and sounds",
    patient: "No time-out", texts: "Texts received", to_texts: "A text has come: read it", talk: "The conversation",
    empty: "Press “Call”: this telephone really rings the service that runs on this machine. Nothing leaves it, and no text message costs anything. For English, press the key that the service names.",
    try_born: "Date of birth to try", try_code: "Postcode to try", try_keys: "At any time",
    try_keys_what: "0 a person, 8 slower, 9 again, * back",
    silence: "(silence)", silence_in: "The service waits {} s more",
    no_limit: "The service waits, without a time-out",
    answering: "The service waits while you answer", typed: "Keys pressed: {}",
    play: "♪ a recording", music: "♪ music on hold", dial: "Connecting to {}",
    talk_began: "A person is on the line with you.", talk_ended: "The person is no longer on the line.", beep: "(beep)",
    rings: "{} calls {}", take: "Answer", refuse: "Hang up", rang_out: "The call rings no more.",
    called_by: "called by {}", talking: "You are talking to a person: keys do nothing here.",
    you: "You:", service: "The service:", text_from: "From {} to {}, at {}",
    keys_only: "Here the service listens to keys only: what you say is not heard.",
    speech_too: "Here you may also answer by voice.",
    keys_first: "You began with keys: finish with keys.",
    late: "Too early or too late: the service was not listening.",
    deaf_to_keys: "Here the service listens to speech only: the key is not heard.",
    not_calling: "Call first.", listening: "Speak now…", not_understood: "The microphone understood nothing.",
    microphone_refused: "The microphone is not available in this browser: write what you say.",
    no_voice: "This browser has no voice for this language: read what is said.",
    end_hangup: "The service hung up.", end_caller: "You hung up.",
    end_away: "The call was ended: this page was away for more than a minute.",
    end_cut: "The call was ended by the service.",
    end_trouble: "The call ended with an error.", end_rejected: "The call was refused.",
    trouble_connect: "The service does not answer at {}: is it running (make run)?",
    trouble: "The service answered badly (Twilio’s error {}: {}).",
    too_many_calls: "Too many calls at a time on this simulator: try again in a moment.",
    bad_number: "There is no such number: give a French number of ten digits, or one that begins with +.",
    gone: "The simulator was restarted: the call is lost. Call again.",
    unreachable: "The simulator does not answer: was it stopped? This page keeps trying.",
    not_this_host: "This telephone works on this machine only: open it at 127.0.0.1.",
    failed: "The request failed ({}).",
  },
};

const $ = (id) => document.getElementById(id);
const body = document.body;

function stored(key, otherwise) {
  try { return localStorage.getItem(`telephone.${key}`) ?? otherwise; } catch { return otherwise; }
}
function store(key, value) {
  try { localStorage.setItem(`telephone.${key}`, value); } catch { /* a private window */ }
}

let language = stored("language", "fr") === "en" ? "en" : "fr";
function t(key, ...values) {
  return values.reduce((text, value) => text.replace("{}", value), WORDS[language][key] ?? key);
}
// Sentences that change are kept as their key, so that another language can say them again.
function say(element, key, ...values) {
  const given = JSON.stringify(values);
  // What is written anew is read out anew by a screen reader.
  if (element.dataset.t === (key ?? "") && element.dataset.values === given) return;
  element.dataset.t = key ?? "";
  element.dataset.values = given;
  element.textContent = key ? t(key, ...values) : "";
}
function translate() {
  document.documentElement.lang = language;
  document.title = t("document");
  for (const element of document.querySelectorAll("[data-t]")) {
    const key = element.dataset.t;
    if (key) element.textContent = t(key, ...JSON.parse(element.dataset.values ?? "[]"));
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  for (const option of $("from").options) option.textContent = t(option.value, numbers[option.value]);
}

// ------------------------------------------------------------------ who calls

// A number of its own for each browser, so that two visitors are not one caller.
function ownNumber(key, prefix) {
  let number = stored(key, "");
  if (!number.startsWith(prefix)) {
    number = prefix + String(Math.floor(Math.random() * 10000)).padStart(4, "0").replace(/(..)(..)/, " $1 $2");
    store(key, number);
  }
  return number;
}
const numbers = { mobile: ownNumber("mobile", "06 12 34"), landline: ownNumber("landline", "01 42 68") };
function caller() {
  const chosen = $("from").value;
  if (chosen === "withheld") return "withheld";
  return chosen === "own" ? $("own").value : numbers[chosen];
}

// Which of the service's numbers is called, where there are several.
const called = () => ($("to") ? { to: $("to").value } : {});
function shown() {
  return $("to")?.selectedOptions[0]?.dataset.shown ?? body.dataset.number;
}

// ------------------------------------------------------------------ sounds

let sounds = null;
function beep(frequencies, seconds, volume = 0.06) {
  if (!voiced()) return;
  try {
    sounds ??= new AudioContext();
    sounds.resume();
    const gain = sounds.createGain();
    const end = sounds.currentTime + seconds;
    gain.gain.setValueAtTime(volume, sounds.currentTime);
    gain.gain.setValueAtTime(volume, end - 0.02);
    gain.gain.linearRampToValueAtTime(0, end);
    gain.connect(sounds.destination);
    for (const frequency of frequencies) {
      const tone = sounds.createOscillator();
      tone.frequency.value = frequency;
      tone.connect(gain);
      tone.start();
      tone.stop(end);
    }
  } catch { /* no sound card: the call goes on without */ }
}
const ROWS = [697, 770, 852, 941], COLUMNS = [1209, 1336, 1477], KEYS = "123456789*0#";
function keyTone(key) {
  const place = KEYS.indexOf(key);
  beep([ROWS[Math.floor(place / 3)], COLUMNS[place % 3]], 0.12);
}
const voiced = () => $("voice").checked;
const patient = () => $("patient").checked;

// ------------------------------------------------------------------ the voice

const synthesis = window.speechSynthesis;
let voices = [];
function readVoices() { voices = synthesis ? synthesis.getVoices() : []; }
readVoices();
synthesis?.addEventListener?.("voiceschanged", readVoices);

function voiceFor(wanted) {
  const tag = wanted.toLowerCase();
  const speaks = (voice) => voice.lang.replace("_", "-").toLowerCase();
  const same = voices.filter((voice) => speaks(voice) === tag);
  const near = voices.filter((voice) => speaks(voice).split("-")[0] === tag.split("-")[0]);
  const good = [...same, ...near];
  return same.find((voice) => voice.default) ?? good.find((voice) => voice.localService) ?? good[0];
}

// Whatever is being played can be stopped from outside: a key, the end of the call.
let stop = () => {};
function sleep(seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    stop = () => { clearTimeout(timer); resolve(); };
  });
}

// Reading takes as long as speaking would; without a time-out nobody needs to wait for it.
const readingTime = (seconds) => (patient() ? 0 : seconds);

function utter(text, tongue, rate, seconds) {
  const voice = voiceFor(tongue);
  if (!voice) {
    if (!utter.warned) hint("no_voice");
    utter.warned = true;
    return sleep(readingTime(seconds));
  }
  return new Promise((resolve) => {
    const utterance = new SpeechSynthesisUtterance(text);
    utterance.voice = voice;
    utterance.lang = voice.lang;
    utterance.rate = rate;
    // Some browsers never tell the end of what they say.
    const timer = setTimeout(done, (3 + 2.5 * seconds) * 1000);
    function done() { clearTimeout(timer); utterance.onend = utterance.onerror = null; resolve(); }
    utterance.onend = utterance.onerror = done;
    stop = () => { done(); synthesis.cancel(); };
    utter.kept = utterance; // or the browser may forget it, and its end with it
    synthesis.speak(utterance);
  });
}

function sentences(text) {
  // Some voices break off after fifteen seconds: they are given a sentence at a time.
  return text.match(/[^.!?;:]+[.!?;:]*\s*|[.!?;:]+/g) ?? [text];
}

// ------------------------------------------------------------------ the conversation

function bubble(kind, text, tongue) {
  const line = document.createElement("p");
  line.className = kind;
  const who = document.createElement("span");
  who.className = "unseen";
  if (kind.startsWith("service")) { say(who, "service"); line.append(who, " "); }
  if (kind.startsWith("caller")) { say(who, "you"); line.append(who, " "); }
  const words = document.createElement("span");
  if (tongue) words.lang = tongue;
  words.textContent = text;
  line.append(words);
  show(line);
  return words;
}
function event(key, ...values) {
  const line = document.createElement("p");
  line.className = "event";
  say(line, key, ...values);
  show(line);
  return line;
}
function show(line) {
  $("empty").hidden = true;
  $("talk").append(line);
  toEnd();
}
function toEnd() {
  // After the words are in and the boxes have their sizes.
  requestAnimationFrame(() => { $("talk").scrollTop = $("talk").scrollHeight; });
}
function hint(key, ...values) { say($("hint"), key, ...values); }
function banner(key, ...values) {
  $("banner").hidden = !key;
  say($("banner"), key, ...values);
}
function state(name) {
  body.dataset.state = name;
  say($("state"), name);
  const live = !["idle", "over"].includes(name);
  if (!live) say($("caller"), null);
  $("call").hidden = live;
  $("hang-up").hidden = !live;
  $("from").disabled = $("own").disabled = live;
  if ($("to")) $("to").disabled = live;
}

function drawSay(heard) {
  const tongue = heard.language || "en-US";
  const words = bubble("service", "", tongue);
  const pieces = heard.pieces.length ? heard.pieces : [{ text: heard.text, rate: 1, language: "", pause_s: 0 }];
  const drawn = pieces.map((piece) => {
    if (!piece.text) return null;
    const span = document.createElement("span");
    span.textContent = piece.text;
    if (piece.language) span.lang = piece.language;
    words.append(span, " ");
    return span;
  });
  if (!tongue.startsWith("fr")) {
    const tag = document.createElement("span");
    tag.className = "voice";
    tag.lang = "";
    tag.textContent = tongue;
    words.after(tag);
  }
  $("saying").lang = tongue;
  $("saying").textContent = heard.text;
  $("saying").scrollTop = 0;
  return { tongue, pieces, drawn };
}

// ------------------------------------------------------------------ one call

let call = null;

function newCall() {
  return {
    id: "", shown: 0, todo: [], playing: false, waits: "work", question: null,
    keys: "", pressedNow: "", pressing: false, interrupted: false, left: "", ended: null, sending: Promise.resolve(), told: 0, texts: new Set(), errors: 0,
    began: 0, talks: false, place: "", over: false, overAt: 0, silentIn: null, silentFor: "", words: false,
  };
}

async function request(path, given, what = "calls") {
  const options = given === undefined ? {} : {
    method: "POST", body: JSON.stringify(given), headers: { "Content-Type": "application/json" },
  };
  const response = await fetch(`/telephone/${what}${path}`, { cache: "no-store", ...options });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error ?? response.status), { code: answer.error });
  return answer;
}

function failed(mine, error) {
  if (mine !== call) return;
  if (error.code === "gone") {
    banner("gone");
    end(mine, null);
  } else if (error.code) {
    WORDS.fr[error.code] ? banner(error.code) : banner("failed", error.code);
  } else if (error instanceof TypeError) { // fetch's own way of saying that nobody answers
    banner("unreachable");
    if (!mine.over) say($("state"), "lost");
  } else {
    banner("failed", error.message);
  }
}

// One request at a time, or a second key could overtake the first.
function send(given) {
  const mine = call;
  const sent = mine.sending.then(async () => {
    if (mine !== call) return;
    try {
      const answer = await request(`/${mine.id}?after=${mine.shown + mine.todo.length}`, given);
      apply(mine, answer);
      outcome(mine, answer.result);
    } catch (error) {
      failed(mine, error);
    }
  });
  mine.sending = sent;
  return sent;
}

function outcome(mine, result) {
  if (mine !== call || mine.over) return;
  if (result === "deaf_to_speech") hint(mine.keys ? "keys_first" : "keys_only");
  else if (result === "late" || result === "deaf_to_keys") hint(result);
}

function dial() {
  const chosen = $("from").value;
  return begin(() => request("", { from: caller(), ...called() }), (answer) => [
    `calling_${chosen}`, numbers[chosen] ?? grouped(answer.from),
  ]);
}

// A call of the service's, which rings this page.
function take({ id, from }) {
  return begin(() => request(`/${id}`, { take: true }, "rung"), () => ["called_by", grouped(from)]);
}

async function begin(asks, who) {
  stop();
  synthesis?.cancel();
  // Browsers let a page speak only once somebody has clicked, as here.
  readVoices();
  const mine = call = newCall();
  $("talk").replaceChildren();
  $("texts").replaceChildren();
  $("texts-section").hidden = $("to-texts").hidden = true;
  $("saying").textContent = "";
  banner(null);
  hint(null);
  display();
  state("ringing");
  $("hang-up").focus();
  beep([440], 0.8, 0.04);
  try {
    const answer = await asks();
    mine.id = answer.id;
    if (mine !== call) return void request(`/${mine.id}`, { hang_up: true }).catch(() => {});
    mine.began = Date.now();
    $("clock").hidden = false;
    state("online");
    say($("caller"), ...who(answer));
    apply(mine, answer);
    if (mine.over) return;
    poll(mine);
  } catch (error) {
    failed(mine, error);
    if (mine === call) {
      call = null;
      state("idle");
      $("call").focus();
    }
  }
}

async function poll(mine) {
  while (mine === call) {
    const slow = mine.over ? 2000 : mine.waits === "work" ? 250 : 1000;
    await new Promise((resolve) => setTimeout(resolve, slow));
    // A text may come a good while after the call; then the page lets go.
    if (mine !== call || (mine.overAt && Date.now() - mine.overAt > 300000)) return;
    await mine.sending;
    if (mine !== call || !mine.id) return;
    try {
      const answer = await request(`/${mine.id}?after=${mine.shown + mine.todo.length}`);
      if (["lost"].includes($("state").dataset.t)) { banner(null); state(mine.over ? "over" : "online"); }
      apply(mine, answer);
    } catch (error) {
      failed(mine, error);
      if (error.code === "gone") return;
    }
  }
}

function apply(mine, answer) {
  if (mine !== call) return;
  const have = mine.shown + mine.todo.length;
  // Two answers may cross; what is here already is not said twice.
  const fresh = answer.events.slice(Math.max(0, have - (answer.count - answer.events.length)));
  if (!mine.over) moves(mine, answer);
  if (!mine.over) mine.todo.push(...fresh);
  mine.waits = answer.waits;
  mine.left = answer.left;
  mine.ended = answer.end;
  const turn = mine.question?.turn;
  mine.question = answer.question;
  if (mine.question && mine.question.turn !== turn) {
    mine.keys = "";
    display();
    hint(mine.question.speech ? "speech_too" : null);
  }
  if (mine.question) mine.keys = mine.question.typed + mine.pressedNow;
  $("microphone").hidden = !(Recognition && mine.question?.speech);
  for (const text of answer.texts) if (!mine.texts.has(text.sid)) drawText(mine, text);
  for (const error of answer.errors.slice(mine.errors)) trouble(error);
  mine.errors = answer.errors.length;
  display();
  play(mine);
}

// Take note of with whom, or for what, the caller is on the line.
function moves(mine, { queue, talk }) {
  let place = queue ? "queue" : "online";
  if (talk) place = !talk.started ? "joining" : talk.hold ? "held" : "agent";
  if (place !== mine.place && ["queue", "held"].includes(mine.place)) {
    // Nobody hears the rest of the music.
    mine.shown += mine.todo.length;
    mine.todo.length = 0;
    stop();
  }
  mine.place = place;
  if (Boolean(talk?.started) !== mine.talks) {
    mine.talks = Boolean(talk?.started);
    event(mine.talks ? "talk_began" : "talk_ended");
  }
  state(place);
}

function trouble(error) {
  if (error.code === 11205) banner("trouble_connect", body.dataset.service);
  else banner("trouble", error.code || "–", error.message);
}

const grouped = (number) => number.replace(/^\+33([1-9])(\d\d)(\d\d)(\d\d)(\d\d)$/, "0$1 $2 $3 $4 $5");

function drawText(mine, text) {
  mine.texts.add(text.sid);
  const card = document.createElement("article");
  card.className = "text";
  const from = document.createElement("p");
  const at = new Date(text.at).toLocaleTimeString("fr-FR", { hour: "2-digit", minute: "2-digit" });
  say(from, "text_from", text.from, grouped(text.to), at);
  const words = document.createElement("p");
  words.lang = "fr";
  words.textContent = text.body;
  card.append(from, words);
  $("texts").append(card);
  $("texts-section").hidden = $("to-texts").hidden = false;
  toEnd();
  beep([880, 1320], 0.25, 0.04);
}

// Plays what came, in order; whoever calls it twice gets one player.
async function play(mine) {
  if (mine.playing) return;
  mine.playing = true;
  while (mine === call && mine.todo.length) {
    // The pauses at the end of a question are the time to answer, and shown as such.
    if (mine.question && mine.todo.every((heard) => heard.kind === "pause")) break;
    stopSilence();
    const heard = mine.todo.shift();
    mine.shown += 1;
    await playOne(mine, heard);
  }
  mine.playing = false;
  if (mine !== call || mine.over) return;
  if (!mine.question) stopSilence();
  if (mine.waits === "over") return end(mine, mine.ended);
  if (mine.question) return startSilence(mine);
  if (mine.waits === "play" && !mine.todo.length && mine.told < mine.shown) {
    mine.told = mine.shown;
    send({ played: mine.shown });
  }
}

async function playOne(mine, heard) {
  // What comes after an answer is heard again, whatever the answer cut short.
  if (["keys", "said", "silence"].includes(heard.kind)) mine.interrupted = false;
  switch (heard.kind) {
    case "say": return speak(mine, heard);
    case "pause": return mine.interrupted ? undefined : sleep(heard.seconds);
    case "play": return recording(mine, heard);
    case "dial":
      // A conference has a name that says nothing to a caller; its talk is told by itself.
      if (!heard.text.startsWith("Conference ")) event("dial", heard.text);
      return sleep(heard.seconds);
    case "beep": return void event("beep");
    case "keys": return void bubble("caller keys", heard.text);
    case "said": return void bubble("caller", `« ${heard.text} »`);
    case "silence": return void say(bubble("caller silence", ""), "silence");
  }
}

async function speak(mine, heard) {
  const { tongue, pieces, drawn } = drawSay(heard);
  if (mine.interrupted) return;
  if (!voiced()) return sleep(readingTime(heard.seconds));
  for (const [number, piece] of pieces.entries()) {
    if (mine !== call || mine.interrupted || mine.over) break;
    if (piece.pause_s) { await sleep(piece.pause_s); continue; }
    drawn[number]?.classList.add("saying-now");
    $("saying").textContent = piece.text;
    for (const sentence of sentences(piece.text)) {
      if (mine !== call || mine.interrupted || mine.over || !voiced()) break;
      await utter(sentence, piece.language || tongue, piece.rate, sentence.length / 15 / piece.rate);
    }
    drawn[number]?.classList.remove("saying-now");
  }
  if (mine === call && !mine.over) $("saying").textContent = heard.text;
}

async function recording(mine, heard) {
  const silent = heard.text === "(hold music)";
  const music = silent || ["queue", "held"].includes(mine.place);
  // Music that goes on is one line, not one for each round.
  const before = $("talk").lastElementChild;
  const line = music && before?.dataset.t === "music" ? before : event(music ? "music" : "play");
  if (silent || !voiced() || mine.interrupted) return sleep(music ? heard.seconds : readingTime(heard.seconds));
  await new Promise((resolve) => {
    const audio = new Audio(new URL(heard.text, body.dataset.service));
    audio.onended = resolve;
    audio.onerror = () => { line.title = heard.text; sleep(heard.seconds).then(resolve); };
    stop = () => { audio.pause(); resolve(); };
    audio.play().catch(audio.onerror);
  });
}

function end(mine, reason) {
  mine.over = true;
  mine.overAt = Date.now();
  stopSilence();
  stop();
  const why = mine.left || reason;
  const sentence = {
    hangup: "end_hangup", "document-ended": "end_hangup", caller: "end_caller",
    "caller-hung-up": "end_caller", away: "end_away", cut: "end_cut", rejected: "end_rejected",
  }[why];
  event(sentence ?? "end_trouble");
  hint(null);
  $("microphone").hidden = true;
  $("saying").textContent = "";
  state("over");
  beep([440], 0.35, 0.04);
  $("call").focus({ preventScroll: true });
}

// ------------------------------------------------------------------ the caller's silence

function startSilence(mine) {
  const { timeout } = mine.question;
  const question = `${mine.question.turn} ${mine.keys}`;
  if (mine.silentIn && mine.silentFor === question) return;
  stopSilence();
  mine.silentFor = question;
  const pauses = mine.keys ? 0 : mine.todo.reduce((sum, heard) => sum + heard.seconds, 0);
  const total = pauses + timeout;
  const turn = mine.question.turn;
  let left = total, before = Date.now();
  $("waiting").hidden = false;
  function tick() {
    const now = Date.now();
    const held = Boolean($("words").value.trim()) || mine.words;
    $("waiting").toggleAttribute("data-held", held || patient());
    if (held || patient()) left = total;
    else left -= (now - before) / 1000;
    before = now;
    $("bar").style.transform = `scaleX(${Math.max(0, left / total)})`;
    if (held) say($("waiting-text"), "answering");
    else if (patient()) say($("waiting-text"), "no_limit");
    else say($("waiting-text"), "silence_in", Math.max(0, Math.ceil(left)));
    if (left > 0) return;
    stopSilence();
    mine.interrupted = true; // the pauses are over with it
    send({ turn, silence: true });
  }
  mine.silentIn = setInterval(tick, 200);
  tick();
}
function stopSilence() {
  if (call?.silentIn) clearInterval(call.silentIn);
  if (call) call.silentIn = null;
  $("waiting").hidden = true;
}

// ------------------------------------------------------------------ keys and words

function display() {
  const element = $("display");
  element.textContent = call && !call.over && call.keys ? call.keys : shown();
}

function press(key) {
  keyTone(key);
  const mine = call;
  if (!mine || mine.over) return hint("not_calling");
  if (mine.talks) return hint("talking");
  if (!mine.question) return hint("late");
  if (!mine.question.keys) return hint("deaf_to_keys");
  const interrupts = mine.playing;
  interrupt(mine);
  mine.keys += key;
  mine.pressedNow += key;
  display();
  if (mine.pressing) return;
  mine.pressing = true;
  const { turn } = mine.question;
  sendKeys(mine, turn, interrupts);
}
// Keys pressed while a request is on its way go together with the next one.
async function sendKeys(mine, turn, interrupts) {
  while (mine === call && mine.pressedNow) {
    await mine.sending;
    const keys = mine.pressedNow;
    mine.pressedNow = "";
    await send({ turn, keys, interrupts });
  }
  mine.pressing = false;
  if (mine === call && mine.question?.turn === turn && !mine.playing) startSilence(mine);
}

// The first key or word stops what is said: nobody needs to hear a menu to its end.
function interrupt(mine) {
  stopSilence();
  mine.interrupted = true;
  stop();
  synthesis?.cancel();
}

function speakWords(text, confidence) {
  const mine = call;
  if (!text) return;
  if (!mine || mine.over) return hint("not_calling");
  if (!mine.question) return hint("late");
  if (!mine.question.speech) return hint("keys_only");
  if (mine.keys) return hint("keys_first");
  interrupt(mine);
  $("words").value = "";
  const given = { turn: mine.question.turn, said: text };
  if (confidence) given.confidence = confidence;
  send(given);
}

const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
let recogniser = null;
function listen() {
  const mine = call;
  if (recogniser) return recogniser.stop();
  if (!mine?.question?.speech) return hint("keys_only");
  const listening = recogniser = new Recognition();
  listening.lang = mine.question.language;
  listening.maxAlternatives = 1;
  mine.words = true;
  interrupt(mine);
  $("microphone").setAttribute("aria-pressed", "true");
  hint("listening");
  let heard = false;
  listening.onresult = ({ results }) => {
    heard = true;
    const [best] = results[results.length - 1];
    mine.words = false;
    if (mine === call) speakWords(best.transcript.trim(), best.confidence);
  };
  listening.onerror = ({ error }) => {
    heard = true;
    hint(["no-speech", "aborted"].includes(error) ? "not_understood" : "microphone_refused");
  };
  listening.onend = () => {
    recogniser = null;
    mine.words = false;
    $("microphone").setAttribute("aria-pressed", "false");
    if (!heard) hint("not_understood");
    if (mine === call && mine.question && !mine.playing) startSilence(mine);
  };
  listening.start();
}

// ------------------------------------------------------------------ being rung

// The call that rings this page, or null; see the simulator's rung_phone.py.
let ringing = null;

async function lookForRings() {
  const busy = Boolean(call && !call.over);
  const from = new URLSearchParams({ number: caller() });
  if (busy) from.set("busy", "1");
  try {
    const answer = await request(`?${from}`, undefined, "rung");
    showRinging(busy ? null : answer.rung);
  } catch { /* a number that is none, or a simulator that is gone: the call itself will tell */ }
  setTimeout(lookForRings, ringing ? 1000 : 2000);
}

function showRinging(rung) {
  const before = ringing?.id;
  ringing = rung;
  $("incoming").hidden = !rung;
  if (!rung) {
    if (before && !(call && !call.over)) $("call").focus({ preventScroll: true });
    return;
  }
  say($("incoming-text"), "rings", grouped(rung.from), grouped(plainNumber()));
  beep([440, 480], 0.6, 0.05);
  if (rung.id !== before) $("take").focus();
}
const plainNumber = () => caller().replace(/\s+/g, " ").trim();

$("take").addEventListener("click", () => {
  const rung = ringing;
  showRinging(null);
  if (rung) take(rung);
});
$("refuse").addEventListener("click", () => {
  const rung = ringing;
  showRinging(null);
  if (rung) request(`/${rung.id}`, { take: false }, "rung").catch(() => {});
});

// ------------------------------------------------------------------ what is touched

$("call").addEventListener("click", dial);
$("hang-up").addEventListener("click", () => {
  const mine = call;
  if (!mine || mine.over) return;
  interrupt(mine);
  if (!mine.id) { // it still rings: whoever answers finds nobody
    call = null;
    state("idle");
    return;
  }
  mine.left = "caller";
  mine.todo.length = 0;
  request(`/${mine.id}?after=1000000`, { hang_up: true }).catch((error) => failed(mine, error));
  end(mine, "caller");
});

for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => press(button.dataset.key));
}
document.addEventListener("keydown", (pressed) => {
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey || pressed.repeat) return;
  if (pressed.target.closest("input:not([type=checkbox]), select, textarea")) return;
  if (!/^[0-9*#]$/.test(pressed.key)) return;
  pressed.preventDefault();
  const button = document.querySelector(`[data-key="${pressed.key}"]`);
  button.classList.add("down");
  setTimeout(() => button.classList.remove("down"), 150);
  press(pressed.key);
});

$("say").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  speakWords($("words").value.trim());
});
$("microphone").addEventListener("click", listen);

$("voice").addEventListener("change", () => {
  store("voice", $("voice").checked);
  if (!voiced()) { stop(); synthesis?.cancel(); }
});
$("patient").addEventListener("change", () => {
  store("patient", patient());
  // What is only read needs no waiting for any more.
  if (patient() && !voiced() && call?.question) stop();
});
$("from").addEventListener("change", () => {
  store("from", $("from").value);
  $("own-field").hidden = $("from").value !== "own";
});
$("own").addEventListener("change", () => store("own", $("own").value));
$("to")?.addEventListener("change", display);
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    language = button.dataset.language;
    store("language", language);
    translate();
  });
}

addEventListener("pagehide", () => {
  // Whoever closes the page has put the receiver down.
  if (!call?.id || call.over) return;
  const gone = new Blob([JSON.stringify({ hang_up: true })], { type: "application/json" });
  navigator.sendBeacon(`/telephone/calls/${call.id}`, gone);
});

setInterval(() => {
  if (!call?.began) return;
  const seconds = Math.floor(((call.overAt || Date.now()) - call.began) / 1000);
  $("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}, 500);

$("voice").checked = stored("voice", "true") === "true";
$("patient").checked = stored("patient", "false") === "true";
$("own").value = stored("own", "");
$("from").value = stored("from", "mobile");
$("own-field").hidden = $("from").value !== "own";
translate();
state("idle");
lookForRings();
