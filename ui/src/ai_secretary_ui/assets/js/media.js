/* Sound: speech played while it is being made, samples, and the microphone. */
(function () {
  "use strict";
  const AudioContextClass = window.AudioContext || window.webkitAudioContext;
  let context = null;
  const ready = async () => {
    if (!context) context = new AudioContextClass();
    if (context.state === "suspended") await context.resume();
    return context;
  };
  /* a press anywhere unlocks sound, so that an answer may be spoken later without another press */
  addEventListener("pointerdown", () => { if (context && context.state === "suspended") context.resume(); }, { passive: true });
  addEventListener("keydown", () => { if (context && context.state === "suspended") context.resume(); }, { passive: true });

  const tell = (name, detail) => { if (window.emitEvent) window.emitEvent(name, detail); };
  let current = null;

  function mark(key, on) {
    document.querySelectorAll(`[data-voice="${CSS.escape(key)}"]`).forEach((node) => node.classList.toggle("playing", on));
  }

  function stop() {
    if (!current) return;
    const playing = current;
    current = null;
    playing.abort.abort();
    playing.sources.forEach((source) => { try { source.stop(); } catch (error) { /* already ended */ } });
    clearTimeout(playing.timer);
    mark(playing.key, false);
    tell("as-voice", { key: playing.key, state: "stopped" });
  }

  async function play(url, key) {
    stop();
    const playing = { key, abort: new AbortController(), sources: new Set(), timer: 0, started: false };
    current = playing;
    mark(key, true);
    const asked = performance.now();
    try {
      const audio = await ready();
      const reply = await fetch(url, { signal: playing.abort.signal });
      if (!reply.ok) {
        const problem = await reply.json().catch(() => ({}));
        throw Object.assign(new Error(problem.message || "error"), { code: problem.code || String(reply.status) });
      }
      const reader = reply.body.getReader();
      let rest = new Uint8Array(0), rate = 0, at = 0;
      for (;;) {
        const { value, done } = await reader.read();
        if (current !== playing) return;
        if (value) {
          const joined = new Uint8Array(rest.length + value.length);
          joined.set(rest); joined.set(value, rest.length); rest = joined;
        }
        if (!rate && rest.length >= 44) {
          rate = new DataView(rest.buffer, rest.byteOffset).getUint32(24, true);
          rest = rest.slice(44);
        }
        /* about 40 ms at least per buffer: fewer seams, still an early start */
        const enough = done ? 2 : Math.max(2, Math.floor(rate * 0.04) * 2);
        if (rate && rest.length >= enough) {
          const samples = rest.length >> 1;
          const view = new DataView(rest.buffer, rest.byteOffset, samples * 2);
          const buffer = audio.createBuffer(1, samples, rate);
          const channel = buffer.getChannelData(0);
          for (let i = 0; i < samples; i++) channel[i] = view.getInt16(i * 2, true) / 32768;
          rest = rest.slice(samples * 2);
          const source = audio.createBufferSource();
          source.buffer = buffer; source.connect(audio.destination);
          if (at < audio.currentTime + 0.02) at = audio.currentTime + (playing.started ? 0.02 : 0.06);
          source.start(at);
          at += buffer.duration;
          playing.sources.add(source);
          source.onended = () => playing.sources.delete(source);
          if (!playing.started) { playing.started = true; tell("as-voice", { key, state: "started", ms: Math.round(performance.now() - asked) }); }
        }
        if (done) break;
      }
      const left = Math.max(0, at - audio.currentTime);
      playing.timer = setTimeout(() => {
        if (current !== playing) return;
        current = null; mark(key, false);
        tell("as-voice", { key, state: "ended" });
      }, left * 1000 + 50);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (current === playing) current = null;
      mark(key, false);
      tell("as-voice", { key, state: "failed", message: error.message, code: error.code || "" });
    }
  }

  window.asVoice = { play, stop, ready, get key() { return current ? current.key : null; } };

  /* samples with a player of their own */
  let sounding = null;
  const time = (s) => Math.floor(s / 60) + ":" + String(Math.floor(s % 60)).padStart(2, "0");
  function toggleSample(player) {
    if (!player.asAudio) {
      const sound = new Audio(player.dataset.src);
      const bar = player.querySelector(".as-seekbar"), label = player.querySelector(".as-playtime");
      sound.addEventListener("timeupdate", () => {
        if (isFinite(sound.duration) && sound.duration) bar.style.width = (sound.currentTime / sound.duration) * 100 + "%";
        label.textContent = time(sound.currentTime);
      });
      sound.addEventListener("ended", () => { player.classList.remove("playing"); bar.style.width = "0"; });
      player.asAudio = sound;
    }
    const sound = player.asAudio;
    if (sounding && sounding !== player) { sounding.asAudio.pause(); sounding.classList.remove("playing"); }
    stop();
    if (sound.paused) { sounding = player; player.classList.add("playing"); sound.play().catch(() => player.classList.remove("playing")); }
    else { sound.pause(); player.classList.remove("playing"); }
  }
  document.addEventListener("click", (event) => {
    const seek = event.target.closest(".as-player .as-seek");
    if (seek) {
      const sound = seek.closest(".as-player").asAudio;
      if (sound && isFinite(sound.duration)) {
        const box = seek.getBoundingClientRect();
        sound.currentTime = sound.duration * ((event.clientX - box.left) / box.width);
      }
      return;
    }
    const knob = event.target.closest(".as-player .as-play");
    if (knob) toggleSample(knob.closest(".as-player"));
  });

  /* microphone */
  let recording = null;
  const LONGEST = 120000;

  async function startMic(language) {
    if (recording) return;
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia || !window.MediaRecorder) {
      tell("as-mic", { state: "failed", code: window.isSecureContext ? "unsupported" : "insecure" });
      return;
    }
    stop();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
    } catch (error) {
      tell("as-mic", { state: "failed", code: error.name === "NotFoundError" ? "no_microphone" : "denied" });
      return;
    }
    const audio = await ready();
    const meter = audio.createAnalyser();
    meter.fftSize = 512;
    audio.createMediaStreamSource(stream).connect(meter);
    const kinds = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
    const kind = kinds.find((name) => MediaRecorder.isTypeSupported(name));
    const recorder = new MediaRecorder(stream, kind ? { mimeType: kind, audioBitsPerSecond: 48000 } : {});
    const parts = [];
    const box = document.querySelector("[data-composer]");
    const label = box ? box.querySelector("[data-rectime]") : null;
    const data = new Float32Array(meter.fftSize);
    const began = performance.now();
    const frame = setInterval(() => {
      meter.getFloatTimeDomainData(data);
      let sum = 0; for (const v of data) sum += v * v;
      if (box) box.style.setProperty("--level", Math.min(1, Math.sqrt(sum / data.length) * 6).toFixed(2));
      const passed = performance.now() - began;
      if (label) label.textContent = time(passed / 1000);
      if (passed > LONGEST) stopMic(true);
    }, 80);
    const session = { recorder, stream, frame, box, language, keep: true };
    recording = session;
    recorder.addEventListener("dataavailable", (event) => { if (event.data.size) parts.push(event.data); });
    recorder.addEventListener("stop", () => finish(session, parts, kind));
    recorder.start(250);
    if (box) box.classList.add("recording");
    tell("as-mic", { state: "recording" });
  }

  function stopMic(keep) {
    if (!recording) return;
    const { recorder, stream, frame, box } = recording;
    recording.keep = keep;
    clearInterval(frame);
    recorder.addEventListener("stop", () => stream.getTracks().forEach((track) => track.stop()), { once: true });
    if (box) { box.classList.remove("recording"); box.style.removeProperty("--level"); }
    if (recorder.state !== "inactive") recorder.stop();
  }

  async function finish(session, parts, kind) {
    recording = null;
    if (!session.keep || !parts.length) { tell("as-mic", { state: "cancelled" }); return; }
    tell("as-mic", { state: "recognising" });
    try {
      const query = session.language ? "?language=" + encodeURIComponent(session.language) : "";
      const reply = await fetch("/ui/media/transcribe" + query, {
        method: "POST", headers: { "content-type": (kind || "audio/webm").split(";")[0] }, body: new Blob(parts),
      });
      const found = await reply.json();
      if (!reply.ok) throw Object.assign(new Error(found.message || ""), { code: found.code });
      tell("as-mic", { state: "heard", text: found.text, language: found.language || "", duration: found.duration });
    } catch (error) {
      tell("as-mic", { state: "failed", code: error.code || "network", message: error.message || "" });
    }
  }

  window.asMic = { start: startMic, stop: stopMic, toggle: (language) => (recording ? stopMic(true) : startMic(language)), get on() { return !!recording; } };
  addEventListener("pagehide", () => { stopMic(false); stop(); });

  window.asCopy = async (text) => {
    try { await navigator.clipboard.writeText(text); return true; } catch (error) {
      const area = document.createElement("textarea");
      area.value = text; area.style.position = "fixed"; area.style.opacity = "0";
      document.body.append(area); area.select();
      const done = document.execCommand("copy"); area.remove();
      return done;
    }
  };
})();
/* Chat: the log stays at its end unless the reader scrolled up; Ctrl+M is the microphone. */
(function () {
  "use strict";
  let follow = true;
  const box = () => document.querySelector("[data-stick]");
  window.asStick = (force) => {
    if (force) follow = true;
    const log = box();
    if (log && follow) requestAnimationFrame(() => { log.scrollTop = log.scrollHeight; });
  };
  let watched = null;
  setInterval(() => {
    const log = box();
    if (!log || log === watched) return;
    watched = log;
    log.addEventListener("scroll", () => { follow = log.scrollHeight - log.scrollTop - log.clientHeight < 80; }, { passive: true });
    new ResizeObserver(() => window.asStick(false)).observe(log.firstElementChild || log);
    window.asStick(true);
  }, 400);
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyM" && document.querySelector("[data-composer]")) {
      event.preventDefault();
      window.asMic.toggle("");
    }
  }, true);
})();
