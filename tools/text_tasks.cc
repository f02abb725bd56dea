// Copying words in another order.

#include <set>

#include "task_builder.h"

namespace quiver::tasks {
namespace {

const std::vector<std::string> kNouns = {
    "apple",  "river",  "stone",   "window", "garden", "paper",  "candle", "bridge", "monkey",  "silver",
    "ladder", "button", "forest",  "engine", "pillow", "rocket", "banana", "castle", "desert",  "planet",
    "mirror", "ticket", "bottle",  "hammer", "island", "jacket", "kitten", "lemon",  "market",  "needle",
    "ocean",  "pencil", "queen",   "rabbit", "saddle", "tunnel", "valley", "wagon",  "basket",  "carpet",
    "dragon", "eagle",  "feather", "guitar", "helmet", "insect", "jungle", "kettle", "lantern", "meadow",
    "napkin", "orange", "pepper",  "quilt",  "ribbon", "shadow", "teapot", "violin", "walnut",  "anchor",
    "barrel", "camel",  "dinner",  "elbow",  "finger", "goose",  "honey",  "iron",   "jewel",   "king",
    "lamp",   "moon",   "nest",    "onion",  "park",   "rain",   "sand",   "table",  "uncle",   "voice",
    "water",  "yard",   "bread",   "chair",  "dream",  "earth",  "flame",  "grass",  "horse",   "juice",
    "knife",  "light",  "mouse",   "night",  "paint",  "radio",  "snow",   "train",  "wheel",   "beach",
    "cloud",  "dance",  "fence",   "glass",  "house",  "judge",  "letter", "metal",  "north",   "piano",
    "road",   "smoke",  "tower",   "watch",  "wolf",   "bell",   "coin",   "door",   "farm",    "gate",
    "hill",   "lake",   "milk",    "nose",   "pool",   "roof",   "ship",   "tree",   "wall",    "bird"};

using Words = std::vector<std::string>;

// `count` different words.
Words draw_words(std::size_t count, Random& random) {
  Words words = kNouns;
  shuffle(words, random);
  words.resize(count);
  return words;
}

std::string spaced(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Fills the task with different lists of `least` to `most` words; `answer` makes the target.
Task word_task(Task task, std::size_t least, std::size_t most, std::string (*answer)(const Words&),
               Random& random) {
  std::set<std::string> seen;
  while (task.items.size() < kTrain + kValidation + kTest) {
    const Words words = draw_words(least + draw(random, most - least + 1), random);
    if (seen.insert(spaced(words)).second) task.items.push_back({spaced(words), answer(words)});
  }
  return task;
}

std::string last(const Words& words) { return words.back(); }

std::string reversed(const Words& words) { return spaced({words.rbegin(), words.rend()}); }

std::string doubled(const Words& words) {
  Words twice;
  for (const std::string& word : words) twice.insert(twice.end(), 2, word);
  return spaced(twice);
}

}  // namespace

std::vector<Task> text_tasks(Random& random) {
  const Task last_word{"text_last",
                       {"Last word: {}", "{}. Say only the last word.", "The list {} ends with"},
                       "Which word stands at the end of {}?",
                       {}};
  const Task reverse{"text_reverse",
                     {"Backwards: {}", "{}. Say the words in reverse.", "Flip the list {}:"},
                     "Read {} from right to left:",
                     {}};
  const Task twice{"text_double",
                   {"Stutter: {}", "{}. Say each word twice.", "Double every word of {}:"},
                   "Repeat each word once more: {}",
                   {}};
  return {word_task(last_word, 3, 4, last, random), word_task(reverse, 3, 3, reversed, random),
          word_task(twice, 2, 2, doubled, random)};
}

}  // namespace quiver::tasks
