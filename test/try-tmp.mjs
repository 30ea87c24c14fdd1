import { createCanvas, loadImage } from "@napi-rs/canvas"; import fs from "node:fs";
for (const n of ["recovery","circuit-breaker"]) {
const svg = fs.readFileSync(`visualizations/${n}.svg`);
const img = await loadImage(svg); const c = createCanvas(img.width, img.height); c.getContext("2d").drawImage(img,0,0); fs.writeFileSync(`/tmp/${n}.png`, c.toBuffer("image/png")); console.log(img.width,img.height);
}
