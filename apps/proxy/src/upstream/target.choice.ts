/** One of several that requests can go to. */
export interface Choosable {
  /** Its share, relative to the others; 0 = none. */
  readonly weight: number
  /** Of the smooth weighted round robin. */
  currentWeight: number
}

/**
 * The next target: smooth weighted round robin (as nginx does it). With weights 5, 1, 1 the order is a a b a c a a, not five
 * times `a` in a row. Null = none is eligible.
 */
export function nextTarget<T extends Choosable>(targets: readonly T[], isEligible: (target: T) => boolean): T | null {
  let best: T | null = null
  let total = 0
  for (const target of targets) {
    if (target.weight === 0 || !isEligible(target)) continue
    target.currentWeight += target.weight
    total += target.weight
    if (best === null || target.currentWeight > best.currentWeight) best = target
  }
  if (best !== null) best.currentWeight -= total
  return best
}
