export type Outcome = 'passed' | 'failed' | 'not applicable'

/** What became of one case. */
export interface Verdict {
  id: string
  outcome: Outcome
  /** Why it failed, or which rule it is not applicable by. */
  reason?: string
}

export function verdict(id: string, problem: string | null): Verdict {
  return problem === null ? { id, outcome: 'passed' } : { id, outcome: 'failed', reason: problem }
}

export function notApplicable(id: string, rule: string): Verdict {
  return { id, outcome: 'not applicable', reason: rule }
}

/** Runs `work` on every case, so many at a time; results in the order of the cases. */
export async function inLanes<C, R>(cases: readonly C[], lanes: number, work: (one: C, index: number) => Promise<R>) {
  const results: R[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let index = next++; index < cases.length; index = next++) results[index] = await work(cases[index]!, index)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return results
}
