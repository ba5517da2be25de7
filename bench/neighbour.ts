/** Keeps its core busy, as a neighbour on the same machine does. Ends with its parent. */
const words = new Int32Array(1 << 18)
process.on('disconnect', () => process.exit())
function turn(): void {
  for (let i = 0; i < words.length; i++) words[i] = (Math.imul(words[i]!, 1_103_515_245) + i) | 0
  setImmediate(turn)
}
turn()
