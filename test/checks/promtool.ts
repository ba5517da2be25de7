import { spawnSync } from 'node:child_process'
import { programEnv, provideProgram } from '../../scripts/debian-packages.mjs'

/** Fetches it where it is missing: a check that is left out would pass for ever. */
export function providePromtool(): void {
  provideProgram({
    binary: 'promtool',
    packages: ['prometheus'],
    isAlone: true,
    why: 'to check metrics and alert rules',
  })
}

/** Runs it in `cwd`. `said` is everything that it has printed. */
export function promtool(cwd: string, args: string[], input = ''): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd, input, encoding: 'utf8', env: programEnv() })
  return { status, said: stdout + stderr }
}
