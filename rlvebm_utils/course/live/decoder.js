// The decoder of fuzzy balls in the page, and what a ball costs: the fit over fixed noise, the spring
// on its middle, the price of its size.

// Layers from the page's data: each { inputs, outputs, scale, weights, bias }, the weights as 16-bit
// numbers in base64, row by row.
export function unpackLayers(layers) {
  return layers.map(({ inputs, outputs, scale, weights, bias }) => {
    const bytes = Uint8Array.from(atob(weights), (one) => one.charCodeAt(0));
    const whole = new Int16Array(bytes.buffer);
    const w = Float64Array.from(whole, (one) => one * scale);
    return { inputs, outputs, w, bias: Float64Array.from(bias) };
  });
}

// What the decoder draws at z: tanh between the layers, a sigmoid at the end.
export function decode(layers, z) {
  let values = z;
  layers.forEach(({ inputs, outputs, w, bias }, depth) => {
    const next = new Float64Array(outputs);
    for (let row = 0; row < outputs; row++) {
      let sum = bias[row];
      for (let k = 0; k < inputs; k++) sum += w[row * inputs + k] * values[k];
      next[row] = depth === layers.length - 1 ? 1 / (1 + Math.exp(-sum)) : Math.tanh(sum);
    }
    values = next;
  });
  return values;
}

export function halfSquares(y, drawn) {
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += (y[i] - drawn[i]) ** 2;
  return sum / 2;
}

// The mean of ½‖y − Dec(z)‖² over a ball, at mean + √variance · each noise.
export function meanFit(layers, y, mean, variance, noise) {
  const sd = variance.map(Math.sqrt);
  const at = (e) => [mean[0] + sd[0] * e[0], mean[1] + sd[1] * e[1]];
  return noise.reduce((sum, e) => sum + halfSquares(y, decode(layers, at(e))), 0) / noise.length;
}

// The two parts of KL(ball ‖ N(0, I)).
export function springOf(mean) {
  return (mean[0] ** 2 + mean[1] ** 2) / 2;
}

export function sizeOf(variance) {
  return variance.reduce((sum, v) => sum + (v - Math.log(v) - 1) / 2, 0);
}
