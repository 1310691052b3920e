"use strict";
/* Each object beside what codecs of the front make of it, in views that turn together. Points are
   drawn one by one on a canvas, the nearest on top: no WebGL is needed. The data are those of
   study/report/reconstructions.py. */

tabs.reconstructions = (element, data) => {
  const start = { yaw: data.yaw, pitch: data.pitch, zoom: 1 };
  const look = { ...start };
  const FOG = 0.5; // by how much the farthest points fade
  const CAPTION = 62; // pixels below a view
  const LOWEST = 140; // pixels of a view: where a window has less room, the tab scrolls
  const palette = data.colours.map(rgb);

  element.classList.add("scrolls");
  const columns = Math.max(...data.objects.map((object) => object.views.length));
  const stage = make("div", {
    tabindex: 0,
    class: "stage",
    "aria-label": "Objects and what codecs make of them. Arrow keys turn, plus and minus zoom.",
    style: `grid-template-columns: repeat(${columns}, minmax(130px, 1fr))`,
  });
  element.append(explanation(), stage);

  const views = data.objects.flatMap((object) => object.views.map((view) => show(object, view)));
  let waiting = false;
  new ResizeObserver(redraw).observe(stage);
  listen();

  /** A scale of colours, and how to handle the views. */
  function explanation() {
    const scale = make("span", {
      class: "scale",
      style: `background: linear-gradient(90deg, ${data.colours})`,
    });
    return make(
      "p",
      { class: "bar" },
      `Objects of the ${data.split} split, which no trial has trained on. Colour: 0`,
      scale,
      `${data.scale} or more: ${data.what}.`,
      make(
        "span",
        { class: "muted" },
        "Drag to turn, wheel to zoom (in a small window click first), double click to start over.",
      ),
    );
  }

  /** One view: a canvas, and below it what it shows. */
  function show(object, view) {
    const canvas = make("canvas", {
      role: "img",
      "aria-label": `${object.name}: ${view.title}`,
      "data-object": object.name,
      "data-view": view.title,
    });
    const words = view.caption.flatMap((line) => [make("br"), line]);
    stage.append(
      make("figure", {}, canvas, make("figcaption", {}, make("b", {}, view.title), ...words)),
    );
    const steps = new Uint16Array(bytes(view.xyz).buffer);
    return {
      canvas,
      places: Float32Array.from(steps, (step) => (step / 32767.5 - 1) * data.beyond),
      levels: view.error ? bytes(view.error) : null,
    };
  }

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const room =
        (element.clientHeight - stage.offsetTop + element.offsetTop) / data.objects.length -
        CAPTION;
      for (const view of views) draw(view, Math.max(LOWEST, room));
      Object.assign(stage.dataset, look);
    });
  }

  /** Every point a small square; of two at the same place the nearer one is seen. */
  function draw({ canvas, places, levels }, room) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.min(width, Math.round(room * ratio));
    if (!width) return; // its tab is not open
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = image.data;
    const nearest = new Float32Array(width * height).fill(-Infinity);
    const [sy, cy] = [Math.sin(look.yaw), Math.cos(look.yaw)];
    const [sp, cp] = [Math.sin(look.pitch), Math.cos(look.pitch)];
    const scale = (height / 2 / data.beyond) * look.zoom;
    const sparse = Math.pow(12288 / places.length, 0.25); // fewer points are drawn larger
    const size = Math.max(2, Math.round(1.6 * ratio * sparse * Math.sqrt(look.zoom)));
    const plain = rgb(data.plain);
    let drawn = 0;
    for (let i = 0; i < places.length; i += 3) {
      const [x, y, z] = [places[i], places[i + 1], places[i + 2]];
      const near = z * cy - x * sy;
      const depth = near * cp + y * sp;
      const left = Math.round(width / 2 + (x * cy + z * sy) * scale - size / 2);
      const top = Math.round(height / 2 - (y * cp - near * sp) * scale - size / 2);
      if (left < 0 || top < 0 || left + size > width || top + size > height) continue;
      drawn += 1;
      const colour = levels ? palette[Math.floor((levels[i / 3] * palette.length) / 256)] : plain;
      const opaque = 255 * (1 - FOG * Math.min(1, Math.max(0, (1 - depth) / 2)));
      for (let row = top; row < top + size; row += 1) {
        for (let at = row * width + left; at < row * width + left + size; at += 1) {
          if (nearest[at] >= depth) continue;
          nearest[at] = depth;
          pixels[4 * at] = colour[0];
          pixels[4 * at + 1] = colour[1];
          pixels[4 * at + 2] = colour[2];
          pixels[4 * at + 3] = opaque;
        }
      }
    }
    context.putImageData(image, 0, 0);
    canvas.dataset.drawn = drawn;
  }

  function listen() {
    let from = null;
    stage.addEventListener("pointerdown", (event) => {
      from = event;
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!from) return;
      turn((event.clientX - from.clientX) / 120, (event.clientY - from.clientY) / 120);
      from = event;
    });
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, () => {
        from = null;
      });
    }
    stage.addEventListener("dblclick", () => turn(0, 0, 0));
    const wheel = (event) => {
      // Where there is more to see below, the wheel goes there until the views were clicked.
      const scrolls = element.scrollHeight > element.clientHeight + 1;
      if (scrolls && document.activeElement !== stage) return;
      event.preventDefault();
      turn(0, 0, Math.exp(-event.deltaY / 500));
    };
    stage.addEventListener("wheel", wheel, { passive: false });
    const keys = {
      ArrowLeft: [-0.1, 0],
      ArrowRight: [0.1, 0],
      ArrowUp: [0, -0.1],
      ArrowDown: [0, 0.1],
      "+": [0, 0, 1.2],
      "-": [0, 0, 1 / 1.2],
      Home: [0, 0, 0],
    };
    stage.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      turn(...keys[event.key]);
    });
  }

  /** Turn by so many radians and zoom by a factor; a factor of 0 goes back to the beginning. */
  function turn(across, down, factor = 1) {
    if (!factor) Object.assign(look, start);
    look.yaw += across;
    look.pitch = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, look.pitch + down));
    look.zoom = Math.min(12, Math.max(0.4, look.zoom * (factor || 1)));
    redraw();
  }

  function bytes(text) {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  }

  function rgb(colour) {
    return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  }
};
