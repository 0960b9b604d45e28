// Loaded into Azurite before its own code. Azurite's in-memory stores are written
// to disk every five seconds; a killed process would lose what clients were told
// is stored. Here a change is on disk after a tenth of a second, or later when
// writing takes long, so that saving never takes more than a twentieth of the time.
"use strict";
const { createRequire } = require("node:module");
const path = require("node:path");

const Loki = createRequire(path.resolve(process.argv[1]))("lokijs");
const INTERVAL = 100;

Loki.prototype.autosaveEnable = function (_options, callback) {
  this.autosave = true;
  const chain = (this.autosaveChain = {});
  const plan = (delay) => {
    if (this.autosaveChain !== chain) return;
    this.autosaveHandle = setTimeout(tick, delay);
  };
  const tick = () => {
    if (!this.autosaveDirty() || this.ignoreAutosave) return plan(INTERVAL);
    const began = process.hrtime.bigint();
    this.saveDatabase((error) => {
      if (callback) callback(error);
      const took = Number(process.hrtime.bigint() - began) / 1e6;
      plan(Math.max(INTERVAL, took * 20));
    });
  };
  plan(INTERVAL);
};

Loki.prototype.autosaveDisable = function () {
  this.autosave = false;
  this.autosaveChain = null;
  clearTimeout(this.autosaveHandle);
  this.autosaveHandle = null;
};
