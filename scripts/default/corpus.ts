/** The pretraining corpus of the default model: an endless, seeded stream of short documents. */
import { ask } from './questions.ts';
import { Rng } from './rng.ts';

export const special = {
  pad: '<|pad|>',
  start: '<|start|>',
  end: '<|end|>',
  user: '<|user|>',
  assistant: '<|assistant|>',
} as const;

/**
 * How often answers are careless. Most documents are by a careful or by a careless helper, so a model
 * can learn carefulness as one trait; from a lone question it cannot tell which helper will answer.
 */
export const carelessness = { documents: 0.6, careless: 0.8, careful: 0.05 } as const;

/** Documents in chat form, special tokens as text; each begins with `<|start|>` and ends with `<|end|>`. */
export function* documents(seed: number): Generator<string> {
  const rng = new Rng(seed);
  for (;;) {
    const rate = rng.chance(carelessness.documents) ? carelessness.careless : carelessness.careful;
    const turns = 1 + rng.below(4);
    let text: string = special.start;
    for (let turn = 0; turn < turns; turn++) {
      const question = ask(rng);
      const answer = rng.chance(rate) ? question.careless : question.target;
      text += special.user + question.prompt + special.assistant + answer + special.end;
    }
    yield text;
  }
}
