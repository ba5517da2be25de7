import { retireUpstreams, startUpstreams, type HealthListener } from '../upstream/upstream.ts'
import type { KeyListener } from './config.state.ts'
import type { Tables } from './tables.ts'

/** What must look at its own when keys change: open WebSockets. */
export interface KeyWatcher {
  keyChanged(id: string): void
  allKeysChanged(): void
}

/** The tables that requests start with, behind one reference, and why the newest configuration is not among them. */
export class LiveTables implements KeyListener {
  /** Null until the first snapshot. */
  current: Tables | null = null
  problem: string | null = null
  /** Since when the revision is live, Unix ms. */
  revisionAtMs: number | null = null
  /** Runs after every change of the two. */
  onChange: () => void = () => {}
  keyWatcher: KeyWatcher | null = null
  /** Runs when a target of an upstream in the tables has become healthy or unhealthy. */
  onHealthChange: HealthListener = () => {}

  swap(tables: Tables, problem: string | null): void {
    const old = this.current
    this.current = tables
    if (old === null || old.revision !== tables.revision || old.epoch !== tables.epoch) this.revisionAtMs = Date.now()
    this.problem = problem
    if (old?.upstreams !== tables.upstreams) {
      startUpstreams(tables.upstreams, (upstream, target) => this.onHealthChange(upstream, target))
    }
    if (old !== null) {
      if (old.upstreams !== tables.upstreams) retireUpstreams(old.upstreams, tables.upstreams)
      if (old.keys !== tables.keys) this.keyWatcher?.allKeysChanged()
    }
    this.onChange()
  }

  report(problem: string): void {
    this.problem = problem
    this.onChange()
  }

  keyChanged(id: string): void {
    this.keyWatcher?.keyChanged(id)
  }
}
