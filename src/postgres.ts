export type { ConnectionOptions } from './mirror/connection'
export { type Mirror, mirror } from './mirror/mirror'
export type {
  CloseOptions,
  MirrorEvents,
  MirroredTableStatus,
  MirrorLag,
  MirrorOptions,
  MirrorStats,
  MirrorStatus,
  WaitOptions,
} from './mirror/mirror-options'
export type { CopyState } from './mirror/progress'
export type { TableVerification, Verification } from './mirror/verify'
