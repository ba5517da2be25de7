// Reads as much of a Dockerfile as ours uses.
import { readFileSync } from 'node:fs'

/**
 * The stages in order, each with its steps. Comments are left out, continued lines joined.
 *
 * @returns {{ name: string, from: string, steps: { word: string, text: string }[] }[]}
 */
export function readDockerfile(file) {
  const lines = readFileSync(file, 'utf8')
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages = []
  for (const line of lines) {
    const [, word, text] = /^(\w+)\s+(.*)$/.exec(line.trim())
    if (word === 'FROM') {
      const [, from, name] = /^(\S+) AS (\S+)$/.exec(text)
      stages.push({ name, from, steps: [] })
    } else if (word !== 'ARG') stages.at(-1).steps.push({ word, text })
  }
  return stages
}
