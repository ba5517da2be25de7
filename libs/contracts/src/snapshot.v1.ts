import { z } from 'zod'

/**
 * `snapshot.v1`: the whole configuration at one revision. The body is gzip, of one member or many, of newline-delimited
 * JSON: first a `SnapshotHeader`, then one `ConfigItem` (`op: 'put'`) a line, in the order plan, user, group, upstream, route,
 * key.
 * The pointer is what is watched; it names the body by content.
 */
export const snapshotPointerSchema = z.object({
  v: z.literal(1),
  epoch: z.string().min(1),
  revision: z.int().nonnegative(),
  /** Hex SHA-256 of the compressed body. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Compressed size. */
  bytes: z.int().nonnegative(),
  atMs: z.int().nonnegative(),
})
export type SnapshotPointer = z.infer<typeof snapshotPointerSchema>

export const snapshotHeaderSchema = z.object({
  v: z.literal(1),
  epoch: z.string().min(1),
  revision: z.int().nonnegative(),
  atMs: z.int().nonnegative(),
  /** Lines that follow; a body with fewer is torn. */
  items: z.int().nonnegative(),
})
export type SnapshotHeader = z.infer<typeof snapshotHeaderSchema>
