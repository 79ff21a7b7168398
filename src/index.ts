export type { Backup, BackupOptions, BackupProgress } from './db/backup'
export type { BlockCheck } from './db/block-check'
export type { CheckReport } from './db/check'
export type { CheckpointOptions } from './db/checkpointer'
export {
  diff,
  history,
  type RestoreOptions,
  restore,
  type State,
  type TableDifference,
} from './db/points'
export type { StoreStatistics } from './db/statistics'
export type { RowValues } from './db/transaction'
export { type VerifiedDatabase, type VerifiedKeptFile, type VerifyOptions, verify } from './db/verify'
export type { BulkWriteOptions, WriteOptions } from './db/write-options'
export type {
  ColumnOptions,
  EntityOptions,
  OnDelete,
  RefOptions,
  ThroughOptions,
} from './entity/class-definition'
export type { Collection } from './entity/collection'
export {
  type Database,
  type EntitySnapshot,
  type OpenOptions,
  open,
  planSchema,
} from './entity/database'
export {
  Column,
  Entity,
  type FieldContext,
  type FieldDecorator,
  Id,
  type IdOptions,
  Many,
  Ref,
} from './entity/decorators'
export { SchemaPlan, type SchemaStep } from './entity/drift'
export type { EntityTransaction } from './entity/entity-transaction'
export type { EntityHooks } from './entity/hooks'
export { type Migration, type MigrationStatus, migrate, migrationStatus } from './entity/migrations'
export type { OptimisticTransaction } from './entity/optimistic'
export {
  any,
  bigint,
  boolean,
  bytes,
  type ColumnProperty,
  day,
  decimal,
  integer,
  json,
  many,
  number,
  type Property,
  type ReferenceProperty,
  ref,
  text,
  time,
  timestamp,
  uuid,
} from './entity/property-builder'
export type { Codec } from './entity/property-values'
export type { TableQuery } from './entity/queries'
export type { ClassQuery, NameOf, Operators, ReferenceOf, ValueAt, Where } from './entity/query-types'
export { type RowOf, type TableClass, type TableOptions, type TableRow, table } from './entity/table-builder'
export type {
  Conditions,
  Default,
  EntityClass,
  EntityReader,
  InsertValues,
  PlainValues,
  PropertyOf,
  Reference,
  UpdateValues,
} from './entity/types'
export type { StandardIssue, StandardResult, StandardSchema } from './entity/validation'
export type { ObjectChange, Queryable, Watchable, WatchOptions } from './entity/watches'
export type { IterationOptions, ObjectChanges, QueryChanges, UpdatedObject } from './entity/watching'
export { type ErrorCode, SnapheapError } from './errors'
export type { Memory } from './heap/memory'
export { type MmapIo, memoryFromMmapIo } from './heap/mmap-io-memory'
export { plainMemory } from './heap/plain-memory'
export type { ScrubReport } from './heap/scrub'
export type { SaveOptions, SaveProgress } from './heap/storage'
export type { VerifiedFile, VerifyProgress } from './heap/verify'
export type { Following, FollowingLag } from './log/following'
export type { Commit, Point } from './log/history'
export type { Durability } from './log/log-options'
export type { Recovery } from './log/recovery'
export type { VerifiedSegment } from './log/verify'
export type { ArrowTable } from './query/arrow'
export { and, not, or, type QueryBuilder, type RecordQuery } from './query/builder'
export type { Cursor } from './query/cursor'
export type { ExplainedStep, ExplainOptions, Explanation } from './query/explain'
export { JSON_LIMITS } from './query/json-limits'
export type { QueryReader } from './query/pipeline'
export { Parameter, type Plan } from './query/plan'
export { type Parameters, Query, type QueryMessage } from './query/query'
export type { ColumnStatistics } from './table/column'
export type { ColumnChange } from './table/column-change'
export type { ColumnType, ScalarType, ValueOf } from './table/column-type'
export type { ColumnDefinition, TableDefinition } from './table/definition'
export type { IndexCondition, IndexDefinition, IndexKind } from './table/index-definition'
export { defineIndexType, type IndexType } from './table/index-type'
export type { OrderedCursor } from './table/ordered-cursor'
export type { OrderedIndex } from './table/ordered-index'
export type { OrderedRange } from './table/ordered-range'
export type { Key, Table } from './table/table'
export type { TableIndex } from './table/table-index'
export { Decimal, Rational } from './value/decimal'
export { List } from './value/list'
export { Timestamp } from './value/timestamp'
