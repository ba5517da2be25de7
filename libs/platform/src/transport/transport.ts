import type {
  ChangeMessage,
  Explanation,
  ExplainRequest,
  SnapshotPointer,
  UsageBatch,
  UsageMark,
  WorkerStatus,
} from '@apigate/contracts'

/** Something that runs until it is closed; closing twice is harmless. */
export interface Closeable {
  close(): Promise<void>
}

export interface Snapshot {
  pointer: SnapshotPointer
  /** The compressed body, as the feed gives it: whoever reads it holds it against `pointer.sha256`. */
  body: AsyncIterable<Uint8Array>
}

export interface ConfigFeedHandlers {
  /**
   * In order of revision and part; may repeat, may leave a gap (a trimmed stream), may be of another epoch: the worker
   * decides.
   */
  onChange(message: ChangeMessage): void
  /** The newest snapshot, soon after the start and whenever there is a newer one; may repeat. */
  onSnapshot(pointer: SnapshotPointer): void
  /** The connection is there (`true`) or away (`false`): the state at the start, then each turn. */
  onConnected(connected: boolean): void
  /** Every change that the feed held when following began was delivered; again after each lost connection. */
  onCaughtUp(): void
}

/** The worker's side of the config feed. */
export interface ConfigFeedReader extends Closeable {
  /**
   * The newest snapshot, or null when there is none yet.
   *
   * @throws within seconds when the feed cannot be reached.
   */
  latestSnapshot(): Promise<Snapshot | null>
  /**
   * Delivers every change after `revision` that the feed still holds, then new ones as they come. Works while the feed is
   * away: delivery begins when it is there. Handlers must not throw.
   */
  follow(revision: number, handlers: ConfigFeedHandlers): Promise<Closeable>
}

/** What a feed holds. */
export interface FeedHead {
  epoch: string
  /** The newest, of changes and snapshot pointer. */
  revision: number
  /** Its newest whole change of this epoch, if it holds one: tells one history from another that counts alike. */
  change: { revision: number; atMs: number } | null
}

/** The publisher's side of the config feed. */
export interface ConfigFeedWriter extends Closeable {
  /** Null on an empty feed. */
  head(): Promise<FeedHead | null>
  /** Pointer of the newest snapshot, or null when there is none with its body. */
  snapshotHead(): Promise<SnapshotPointer | null>
  /** Idempotent by epoch, revision and part. Resolves when the feed has the message durably. */
  publishChange(message: ChangeMessage): Promise<void>
  /** Stores the body, then moves the pointer; keeps the last two bodies and trims changes behind the older. */
  putSnapshot(pointer: SnapshotPointer, body: Uint8Array): Promise<void>
}

/** Best-effort messages between workers and control plane; a lost one is repaired by the next. */
export interface FleetBus extends Closeable {
  /** Whether what is sent now goes anywhere, as far as is known. */
  readonly isConnected: boolean
  sendStatus(status: WorkerStatus): void
  onStatus(listener: (status: WorkerStatus) => void): Promise<Closeable>
  sendMark(mark: UsageMark): void
  onMark(worker: string, listener: (mark: UsageMark) => void): Promise<Closeable>
  /**
   * Asks one worker.
   *
   * @throws when it does not answer within `timeoutMs`, or the transport is away.
   */
  askToExplain(worker: string, request: ExplainRequest, timeoutMs: number): Promise<Explanation>
  onExplain(worker: string, explain: (request: ExplainRequest) => Promise<Explanation>): Promise<Closeable>
}

/** The worker's end of the usage queue. */
export interface UsageQueue extends Closeable {
  /**
   * Resolves when the queue holds the batch. Job id `<worker>_<epoch>_<first>`: adding it again while it waits is a
   * no-op, adding it again after it was done runs it again (ingest drops the repeat and sends the mark again).
   *
   * @throws within seconds when the queue cannot be reached; nothing is kept for later then.
   */
  add(batch: UsageBatch): Promise<void>
}

/** Where the parts meet: unset `natsUrl` or `redisUrl` choose PostgreSQL for that part (embedded mode). */
export interface TransportConfig {
  databaseUrl: string | null
  natsUrl: string | null
  redisUrl: string | null
  /** `[A-Za-z0-9-]`, before every name on NATS and Redis, so that installations can share servers; default none. */
  namespace?: string
}
