// Common knowledge in one fixed word.

#include "task_builder.h"

namespace quiver::tasks {
namespace {

Task continent() {
  Task task{"fact_continent", {"Continent of {}:", "{} lies in", "Which continent has {}?"}, {}};
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

Task colour() {
  Task task{"fact_colour", {"Colour of {}:", "{}, in one colour:", "Which colour is {}?"}, {}};
  add_words(task.items, {"a tomato",         "a ripe strawberry", "blood",      "a fire engine", "a ruby",
                         "a cherry",         "a stop sign",       "a ladybird", "a raspberry",   "a poppy",
                         "a boiled lobster", "ketchup",           "a brick",    "a rose",        "a radish",
                         "Santa's coat",     "a chilli",          "lipstick",   "a cranberry",   "red wine",
                         "a tail light",     "a beetroot"},
            "red");
  add_words(task.items,
            {"a banana", "a lemon", "the sun", "butter", "mustard", "a canary", "an egg yolk", "a sunflower",
             "a school bus", "sweetcorn", "a daffodil", "a baby chick", "a pineapple", "a rubber duck",
             "custard", "a highlighter", "a dandelion", "a New York taxi", "a buttercup"},
            "yellow");
  add_words(task.items, {"grass",      "a frog",     "spinach",          "a cucumber",  "a pea",
                         "broccoli",   "an emerald", "a lime",           "moss",        "a leaf",
                         "a cactus",   "lettuce",    "a kiwi inside",    "a crocodile", "celery",
                         "a fir tree", "parsley",    "an avocado",       "a pickle",    "a grasshopper",
                         "clover",     "mint",       "a billiard table", "cabbage",     "a leek"},
            "green");
  add_words(task.items,
            {"the sky", "the sea", "a sapphire", "denim jeans", "a bluebird", "a blueberry", "ocean water",
             "a police light", "a cornflower", "a swimming pool", "a bluebell", "a lake", "a whale",
             "a peacock", "turquoise", "lapis"},
            "blue");
  add_words(task.items, {"snow",         "milk",          "chalk",           "salt",          "a swan",
                         "a polar bear", "flour",         "a wedding dress", "cotton",        "a pearl",
                         "ivory",        "rice",          "a cloud",         "a daisy petal", "whipped cream",
                         "sugar",        "paper",         "a tooth",         "a snowman",     "a ghost",
                         "marble",       "a cauliflower", "yoghurt",         "a golf ball",   "garlic",
                         "a bone",       "a seagull"},
            "white");
  add_words(task.items,
            {"coal",
             "a crow",
             "tar",
             "night",
             "a raven",
             "a tyre",
             "soot",
             "ink",
             "a panther",
             "liquorice",
             "charcoal",
             "a witch's hat",
             "asphalt",
             "a shadow",
             "a piano's sharp keys",
             "a hockey puck",
             "an eight ball",
             "burnt toast",
             "oil",
             "a tuxedo",
             "a bat",
             "an olive from a tin",
             "pepper"},
            "black");
  add_words(task.items, {"chocolate",   "soil",
                         "coffee",      "a chestnut",
                         "tree bark",   "a potato",
                         "cinnamon",    "a walnut",
                         "mud",         "gravy",
                         "a bear",      "a monkey",
                         "toffee",      "a football of leather",
                         "bread crust", "a coconut",
                         "a hazelnut",  "a wooden table",
                         "a date",      "tea",
                         "an acorn",    "cocoa",
                         "a sparrow",   "cork"},
            "brown");
  return task;
}

Task place() {
  Task task{"fact_place", {"Look for {} in the", "Place of {}:", "Where is {} kept?"}, {}};
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

std::vector<Task> fact_tasks() { return {continent(), colour(), place()}; }

}  // namespace quiver::tasks
