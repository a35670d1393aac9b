import { expect, test } from 'vitest';
import { itemsOfSteps } from '../../src/pipeline/train.ts';

const ITEMS = 10;
const PER_EPOCH = 3;
const order = () => itemsOfSteps(ITEMS, 4, 1, 'sft');
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test('every epoch takes each item once, in an order of its own', () => {
  const itemsOf = order();
  const epochs = [0, 1].map((epoch) =>
    numbers(PER_EPOCH).flatMap((step) => itemsOf(epoch * PER_EPOCH + step)),
  );
  for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual(numbers(ITEMS));
  expect(epochs[0]).not.toEqual(epochs[1]);
});

test('a run that goes on from any step takes the same items', () => {
  const whole = order();
  const steps = numbers(3 * PER_EPOCH).map((step) => whole(step));
  steps.forEach((items, step) => {
    expect(order()(step)).toEqual(items);
  });
});
