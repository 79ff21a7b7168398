import { loadNativeMemory } from '../../src/heap/native-memory'

/** Ends a test run that would use plain memory without anybody knowing. */
export default function requireAddon(): void {
  if (process.env.SNAPHEAP_TEST_WITHOUT_ADDON === '1' || loadNativeMemory() !== undefined) return
  throw new Error(
    'The native addon does not load; the warning above says why. Build it with: npm run build:native. ' +
      'SNAPHEAP_TEST_WITHOUT_ADDON=1 runs the tests without it.',
  )
}
