export type { ConnectionOptions } from './mirror/connection'
export {
  type CloseOptions,
  type Mirror,
  type MirrorEvents,
  type MirrorLag,
  type MirrorOptions,
  type MirrorStatus,
  mirror,
} from './mirror/mirror'
export type { CopyState } from './mirror/progress'
export type { TableVerification, Verification } from './mirror/verify'
