/** The browser's own file picker. */

/** Asks for files through a file input, which works in every browser. */
export function askFiles(options: {
  accept?: string;
  folder?: boolean;
  multiple?: boolean;
}): Promise<File[]> {
  return new Promise((resolve) => {
    const input = document.createElement('input');
    input.type = 'file';
    if (options.accept !== undefined) input.accept = options.accept;
    if (options.folder) input.webkitdirectory = true;
    if (options.multiple) input.multiple = true;
    input.addEventListener('change', () => resolve([...(input.files ?? [])]));
    input.addEventListener('cancel', () => resolve([]));
    input.click();
  });
}
