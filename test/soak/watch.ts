import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'

interface Sample {
  rss: number
  heap: number
}

const megabyte = 1 << 20

/** Memory and sockets of processes, by their process ids (Linux). */
export class ProcessWatch {
  readonly #samples = new Map<string, Sample[]>()

  async look(name: string, statusUrl: string): Promise<void> {
    const text = await (await fetch(`${statusUrl}/metrics`)).text()
    const value = (metric: string): number =>
      Number(new RegExp(`^apigate_process_${metric} (\\S+)`, 'm').exec(text)?.[1])
    const samples = this.#samples.get(name) ?? []
    samples.push({ rss: value('resident_memory_bytes'), heap: value('heap_used_bytes') })
    this.#samples.set(name, samples)
  }

  /** The least heap and the usual resident memory of the last third, beside those of the third before: a line each, and what has grown. */
  verdict(): { lines: string[]; problems: string[] } {
    const lines: string[] = []
    const problems: string[] = []
    for (const [name, samples] of this.#samples) {
      const third = Math.floor(samples.length / 3)
      const [before, after] = [samples.slice(third, 2 * third), samples.slice(2 * third)]
      const heap = [before, after].map((each) => Math.min(...each.map((sample) => sample.heap)) / megabyte)
      const rss = [before, after].map((each) => median(each.map((sample) => sample.rss)) / megabyte)
      lines.push(`${name}: heap ${text(heap)} MB, resident ${text(rss)} MB`)
      if (heap[1]! > heap[0]! * 1.15 + 5) problems.push(`${name}: the heap has grown from ${text(heap)} MB`)
      if (rss[1]! > rss[0]! * 1.15 + 15) problems.push(`${name}: resident memory has grown from ${text(rss)} MB`)
    }
    return { lines, problems }
  }
}

/** Sockets that a process has open. */
export function socketsOf(pid: number): number {
  const dir = `/proc/${pid}/fd`
  return readdirSync(dir).filter((fd) => linkOf(path.join(dir, fd)).startsWith('socket:')).length
}

/** Lines of a log that speak of what must not happen. */
export function badLines(logFile: string): string[] {
  const lines = readFileSync(logFile, 'utf8').split('\n')
  return lines.filter((line) => /unhandled|uncaught|"level":"(?:error|fatal)"|"level":[56]0/i.test(line))
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file)
  } catch {
    return ''
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

function text(values: number[]): string {
  return values.map((value) => value.toFixed(0)).join(' to ')
}
