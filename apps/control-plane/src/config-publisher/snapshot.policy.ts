/** When the publisher makes a snapshot. */
export interface SnapshotPolicy {
  /** A new snapshot every so many changes, */
  everyChanges: number
  /** or so many of the items of the last one, if that is more: what a snapshot costs grows with them, */
  everyShare: number
  /** and this long after the last one, if anything changed. */
  everyMs: number
}

export const snapshotPolicy: SnapshotPolicy = { everyChanges: 500, everyShare: 0.002, everyMs: 5 * 60_000 }
