// The controls of a replay: play and pause, speed, a slider over the day's polls, the time.

import { zoneName } from "../format.js";
import { segments } from "../ui/controls.js";
import { h, setAttribute, setText } from "../ui/dom.js";
import { SPEEDS, timeOfDay } from "./replay.js";

export class ReplayBar {
  constructor(app) {
    this.app = app;
    this.play = h("button", { type: "button", class: "button", id: "replay-play", on: { click: () => (app.replay.playing ? app.replay.pause() : app.replay.play()) } });
    this.slider = h("input", { type: "range", id: "replay-slider", min: "0", step: "1", "aria-label": "Poll of the day", on: { input: () => this.slide() } });
    this.time = h("output", { class: "replay-time", for: "replay-slider" });
    this.speed = segments("Speed, polls a second", SPEEDS.map((speed) => [speed, `${speed}×`, `${speed} polls a second`]), (value) => this.choose(Number(value)));
    this.end = h("button", { type: "button", class: "button", on: { click: () => app.leaveReplay() }, text: "End replay" });
    this.element = h("section", { class: "panel replay", "aria-label": "Replay" }, this.play, this.slider, this.time, this.speed.element, this.end);
  }

  slide() {
    this.app.replay.pause();
    this.app.replay.seek(Number(this.slider.value));
  }

  choose(speed) {
    this.app.replay.speed = speed;
    this.speed.show(speed);
  }

  update() {
    const { replay } = this.app;
    this.element.hidden = !replay;
    if (!replay) return;
    setText(this.play, replay.playing ? "❚❚ Pause" : "▶ Play");
    setAttribute(this.slider, "max", String(replay.times.length - 1));
    if (Number(this.slider.value) !== replay.position) this.slider.value = String(replay.position);
    setAttribute(this.slider, "aria-valuetext", replay.spoken());
    const zone = zoneName(this.app.shown?.session?.timezone);
    setText(this.time, `${timeOfDay(replay.t)} ${zone}`);
    this.speed.show(replay.speed);
  }
}
