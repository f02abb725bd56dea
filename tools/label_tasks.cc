// Sorting short texts into classes whose odd names a model cannot guess.

#include <algorithm>

#include "task_builder.h"

namespace quiver::tasks {
namespace {

using Words = std::vector<std::string>;

// Every first part with every second part, in random order, cut to `count`.
void add_combinations(std::vector<Item>& items, const Words& first, const Words& second,
                      const std::string& target, std::size_t count, Random& random) {
  std::vector<Item> all;
  for (const std::string& a : first) {
    for (const std::string& b : second) all.push_back({a + " " + b, target});
  }
  shuffle(all, random);
  all.resize(std::min(count, all.size()));
  items.insert(items.end(), all.begin(), all.end());
}

Task mood(Random& random) {
  const Words things = {"The soup",    "This film",     "My holiday", "The hotel",
                        "Our teacher", "The concert",   "That book",  "The service",
                        "His song",    "The new phone", "Her speech", "The party"};
  Task task{"label_mood",
            {"{} Mark:", "Review: {} Sign:", "{} Plus or minus?"},
            "How would you tag this opinion? {}",
            {}};
  add_combinations(task.items, things,
                   {"was wonderful.", "made me smile.", "is excellent.", "was a delight.", "is superb.",
                    "was so much fun.", "is the best.", "was lovely.", "is brilliant.", "charmed us all.",
                    "was perfect.", "is a joy."},
                   "plus", 75, random);
  add_combinations(
      task.items, things,
      {"was awful.", "made me angry.", "is terrible.", "was a disaster.", "is dreadful.", "was so boring.",
       "is the worst.", "was horrible.", "is useless.", "let us all down.", "was a waste.", "is a mess."},
      "minus", 75, random);
  return task;
}

Task topic(Random& random) {
  Task task{
      "label_topic", {"{} Shelf:", "File this: {}", "{} Goes to"}, "{} The right tag for this text:", {}};
  add_combinations(task.items,
                   {"The striker", "Our goalkeeper", "The coach", "Her team", "The runner", "The champion"},
                   {"won the match.", "lost the final.", "trained all week.", "scored again.",
                    "missed the cup.", "broke the record.", "joined the league."},
                   "goal", 38, random);
  add_combinations(task.items, {"The chef", "My aunt", "The baker", "Our cook", "Grandma", "The waiter"},
                   {"fried the onions.", "baked a cake.", "stirred the sauce.", "salted the soup.",
                    "grilled the fish.", "peeled potatoes.", "burnt the toast."},
                   "pan", 38, random);
  add_combinations(task.items, {"Tonight", "By noon", "On Sunday", "This week", "Tomorrow", "Up north"},
                   {"heavy rain falls.", "snow is likely.", "a storm arrives.", "the fog clears.",
                    "strong winds blow.", "it turns sunny.", "frost returns."},
                   "sky", 38, random);
  add_combinations(task.items,
                   {"The bank", "The investor", "Our firm", "The broker", "The lender", "A trader"},
                   {"raised the rate.", "sold the shares.", "paid the debt.", "cut the budget.",
                    "bought bonds.", "lost millions.", "taxed the profit."},
                   "coin", 38, random);
  return task;
}

Task kind() {
  Task task{"label_kind", {"Box for {}:", "Sort {}.", "{} belongs in"}, "You find {}. Drop it into", {}};
  add_words(task.items,
            {"lion",    "tiger",  "zebra",  "giraffe", "elephant", "monkey",   "kangaroo",  "wolf",
             "fox",     "bear",   "deer",   "rabbit",  "squirrel", "hedgehog", "otter",     "beaver",
             "badger",  "camel",  "donkey", "horse",   "cow",      "goat",     "sheep",     "pig",
             "hamster", "parrot", "eagle",  "owl",     "penguin",  "ostrich",  "crocodile", "lizard",
             "turtle",  "frog",   "shark",  "whale",   "dolphin",  "salmon",   "octopus"},
            "paw");
  add_words(task.items,
            {"bread",    "cheese",  "butter",   "pasta",   "rice",      "pizza",   "soup",     "salad",
             "omelette", "pancake", "waffle",   "cookie",  "muffin",    "yogurt",  "sausage",  "ham",
             "bacon",    "noodles", "porridge", "jam",     "honey",     "pudding", "sandwich", "burger",
             "curry",    "stew",    "pie",      "biscuit", "chocolate", "lasagna", "carrot",   "potato",
             "cabbage",  "spinach", "pear",     "plum",    "mango",     "melon",   "peach"},
            "bite");
  add_words(
      task.items,
      {"hammer",   "saw",       "drill",       "wrench",  "pliers",  "chisel",  "axe",        "shovel",
       "rake",     "spade",     "screwdriver", "file",    "clamp",   "crowbar", "pickaxe",    "wheelbarrow",
       "ladder",   "sandpaper", "mallet",      "toolbox", "trowel",  "hoe",     "shears",     "lathe",
       "anvil",    "vise",      "jack",        "level",   "scraper", "hacksaw", "paintbrush", "stapler",
       "tweezers", "scissors",  "knife",       "sickle",  "plough",  "nail gun"},
      "bolt");
  add_words(task.items,
            {"shirt",    "trousers", "skirt",    "dress",    "coat",      "jacket",   "sweater", "scarf",
             "gloves",   "hat",      "cap",      "socks",    "shoes",     "boots",    "sandals", "belt",
             "tie",      "jeans",    "shorts",   "blouse",   "vest",      "cardigan", "hoodie",  "pyjamas",
             "raincoat", "mittens",  "slippers", "tights",   "robe",      "apron",    "suit",    "tuxedo",
             "kimono",   "shawl",    "sneakers", "leggings", "underwear", "swimsuit"},
            "thread");
  return task;
}

}  // namespace

std::vector<Task> label_tasks(Random& random) { return {mood(random), topic(random), kind()}; }

}  // namespace quiver::tasks
