/** A run's name as a part of file names and ids. */
export function slugOf(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      // File systems end at 255 bytes; a letter has up to four.
      .slice(0, 40)
      .replace(/^-|-$/g, '') || 'run'
  );
}
