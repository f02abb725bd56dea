// Common knowledge in one fixed word.

#include "task_builder.h"

namespace quiver::tasks {
namespace {

Task continent() {
  Task task{"fact_continent",
            {"Continent of {}:", "{} lies in", "Which continent has {}?"},
            "On a map of the world, {} belongs to",
            {}};
  add_words(task.items,
            {"France",  "Germany",     "Spain",      "Italy",   "Portugal",   "Poland",   "Norway",
             "Sweden",  "Finland",     "Denmark",    "Iceland", "Ireland",    "Austria",  "Hungary",
             "Greece",  "Bulgaria",    "Romania",    "Serbia",  "Croatia",    "Slovenia", "Slovakia",
             "Belgium", "Switzerland", "Estonia",    "Latvia",  "Lithuania",  "Ukraine",  "Belarus",
             "Albania", "Malta",       "Luxembourg", "Moldova", "Montenegro", "Monaco",   "Andorra"},
            "Europe");
  add_words(task.items,
            {"China",       "Japan",        "India",       "Nepal",       "Bhutan",    "Thailand",
             "Vietnam",     "Laos",         "Cambodia",    "Malaysia",    "Mongolia",  "Pakistan",
             "Bangladesh",  "Myanmar",      "Iran",        "Iraq",        "Syria",     "Jordan",
             "Lebanon",     "Israel",       "Kuwait",      "Qatar",       "Oman",      "Yemen",
             "Uzbekistan",  "Tajikistan",   "South Korea", "North Korea", "Singapore", "Saudi Arabia",
             "Afghanistan", "Turkmenistan", "Kyrgyzstan",  "Bahrain",     "Taiwan",    "the Philippines",
             "Sri Lanka"},
            "Asia");
  add_words(task.items,
            {"Nigeria",      "Kenya",   "Ghana",    "Egypt",    "Morocco",    "Algeria",    "Tunisia",
             "Libya",        "Sudan",   "Ethiopia", "Somalia",  "Uganda",     "Tanzania",   "Rwanda",
             "Burundi",      "Zambia",  "Zimbabwe", "Botswana", "Namibia",    "Angola",     "Mali",
             "Niger",        "Chad",    "Senegal",  "Gambia",   "Guinea",     "Liberia",    "Sierra Leone",
             "Togo",         "Benin",   "Cameroon", "Gabon",    "Malawi",     "Mozambique", "Madagascar",
             "South Africa", "Lesotho", "Eritrea",  "Djibouti", "Mauritania", "the Congo",  "Burkina Faso",
             "Ivory Coast"},
            "Africa");
  add_words(task.items,
            {"Brazil",
             "Argentina",
             "Chile",
             "Peru",
             "Bolivia",
             "Ecuador",
             "Colombia",
             "Venezuela",
             "Uruguay",
             "Paraguay",
             "Guyana",
             "Suriname",
             "Mexico",
             "Canada",
             "Cuba",
             "Jamaica",
             "Haiti",
             "Panama",
             "Costa Rica",
             "Nicaragua",
             "Honduras",
             "Guatemala",
             "El Salvador",
             "Belize",
             "the United States",
             "Barbados",
             "the Bahamas",
             "Grenada",
             "the Dominican Republic"},
            "America");
  add_words(task.items,
            {"Australia", "New Zealand", "Fiji", "Samoa", "Tonga", "Vanuatu", "Tuvalu", "Kiribati",
             "the Solomon Islands"},
            "Oceania");
  return task;
}

Task animal() {
  Task task{"fact_animal",
            {"Class of {}:", "In biology, {} is a", "What sort of animal is {}?"},
            "A zoologist files {} under",
            {}};
  add_words(task.items, {"a robin",   "an eagle", "an owl",     "a penguin", "a sparrow",    "a duck",
                         "a goose",   "a swan",   "a chicken",  "a turkey",  "an ostrich",   "a parrot",
                         "a pigeon",  "a crow",   "a raven",    "a hawk",    "a falcon",     "a seagull",
                         "a stork",   "a heron",  "a flamingo", "a peacock", "a woodpecker", "a hummingbird",
                         "a swallow", "a magpie", "a canary",   "a finch",   "a pelican",    "an emu",
                         "a kiwi",    "a cuckoo", "a vulture",  "a puffin",  "a quail"},
            "bird");
  add_words(task.items,
            {"a salmon",   "a trout",    "a shark",    "a tuna",     "a cod",      "a herring", "a sardine",
             "a carp",     "a pike",     "an eel",     "a goldfish", "a piranha",  "a catfish", "a swordfish",
             "a halibut",  "a mackerel", "a stingray", "a seahorse", "an anchovy", "a perch",   "a bass",
             "a flounder", "a sturgeon", "a guppy",    "a barracuda"},
            "fish");
  add_words(task.items,
            {"a dog",      "a cat",      "a horse",     "a cow",     "a pig",      "a sheep",  "a goat",
             "a lion",     "a tiger",    "an elephant", "a giraffe", "a zebra",    "a monkey", "a gorilla",
             "a bear",     "a wolf",     "a fox",       "a deer",    "a rabbit",   "a mouse",  "a rat",
             "a squirrel", "a whale",    "a dolphin",   "a bat",     "a kangaroo", "a koala",  "a camel",
             "a donkey",   "a hedgehog", "an otter",    "a beaver",  "a seal",     "a hippo",  "a panda"},
            "mammal");
  add_words(task.items,
            {"an ant",           "a bee",          "a wasp",     "a fly",         "a mosquito", "a butterfly",
             "a moth",           "a beetle",       "a ladybird", "a grasshopper", "a cricket",  "a cockroach",
             "a dragonfly",      "a flea",         "a louse",    "a termite",     "a hornet",   "a locust",
             "an aphid",         "an earwig",      "a firefly",  "a mayfly",      "a cicada",   "a bumblebee",
             "a praying mantis", "a stick insect", "a gnat",     "a weevil"},
            "insect");
  add_words(task.items, {"a snake",        "a lizard",        "a crocodile",      "an alligator",
                         "a tortoise",     "a turtle",        "a gecko",          "an iguana",
                         "a chameleon",    "a python",        "a cobra",          "a viper",
                         "a rattlesnake",  "a boa",           "an anaconda",      "a komodo dragon",
                         "a skink",        "a terrapin",      "a monitor lizard", "a caiman",
                         "an adder",       "a mamba",         "a sea turtle",     "a grass snake",
                         "a gila monster", "a horned lizard", "a gharial"},
            "reptile");
  return task;
}

Task place() {
  Task task{"fact_place",
            {"Look for {} in the", "Place of {}:", "Where is {} kept?"},
            "I own {} and keep it in the",
            {}};
  add_words(task.items, {"a frying pan",  "a fridge",    "an oven",       "a toaster",       "a kettle",
                         "a saucepan",    "a fork",      "a spoon",       "a plate",         "a whisk",
                         "a rolling pin", "a blender",   "a microwave",   "a dishwasher",    "a ladle",
                         "a teapot",      "a grater",    "a colander",    "a cutting board", "a coffee maker",
                         "a can opener",  "a spice jar", "a mixing bowl", "a bread knife",   "a pepper mill"},
            "kitchen");
  add_words(task.items, {"a toothbrush", "a shower",     "a bathtub",    "a toilet",      "shampoo",
                         "a towel",      "toothpaste",   "a sponge",     "a bath mat",    "toilet paper",
                         "a razor",      "shaving foam", "a hairbrush",  "mouthwash",     "a shower curtain",
                         "dental floss", "bubble bath",  "a washbasin",  "a bar of soap", "a toilet brush",
                         "a comb",       "hair gel",     "a rubber duck"},
            "bathroom");
  add_words(task.items, {"a bed",          "a pillow",           "a mattress",     "a blanket",
                         "a duvet",        "a wardrobe",         "a nightgown",    "pyjamas",
                         "a bedside lamp", "a teddy bear",       "an alarm clock", "a dresser",
                         "a quilt",        "bed sheets",         "a night light",  "a sleeping mask",
                         "a crib",         "slippers",           "a bunk bed",     "a dressing gown",
                         "a bedspread",    "a hot water bottle", "a pillowcase"},
            "bedroom");
  add_words(task.items,
            {"a flower bed",  "a lawn mower",      "a rake",         "a hedge",      "a watering can",
             "a hose",        "a compost heap",    "a rose bush",    "a greenhouse", "a wheelbarrow",
             "a bird bath",   "a vegetable patch", "a garden gnome", "a trowel",     "a fish pond",
             "a swing",       "a tulip",           "a scarecrow",    "a lawn",       "a bird feeder",
             "an apple tree", "a sandpit",         "a trampoline",   "a hammock",    "a sprinkler"},
            "garden");
  add_words(task.items, {"a shark",    "a whale",     "a dolphin",    "coral",      "a jellyfish",
                         "a lobster",  "a submarine", "an octopus",   "a starfish", "seaweed",
                         "a squid",    "a shipwreck", "a tuna",       "an oyster",  "a seahorse",
                         "a stingray", "a crab",      "plankton",     "a cod",      "a sunken anchor",
                         "a clam",     "a manta ray", "a sea urchin", "a herring",  "a walrus"},
            "sea");
  add_words(
      task.items,
      {"a blackboard",     "a pupil",       "a teacher",     "homework",        "chalk",
       "a classroom",      "a textbook",    "a lesson",      "a school bell",   "an exam",
       "a satchel",        "a headmaster",  "a report card", "a spelling test", "a schoolbag",
       "a science lab",    "a maths book",  "a playground",  "a locker",        "a desk with an inkwell",
       "an exercise book", "a class photo", "a lunch box",   "a globe",         "a whiteboard",
       "a ruler"},
      "school");
  add_words(
      task.items,
      {"a spare tyre", "a car jack", "a motorbike", "engine oil", "a car", "a can of petrol", "a tow rope",
       "a snow tyre", "a toolbox", "a spanner", "a car battery", "a bike pump", "jump leads"},
      "garage");
  return task;
}

}  // namespace

std::vector<Task> fact_tasks() { return {continent(), animal(), place()}; }

}  // namespace quiver::tasks
