# cmake -DFOLDER=<of *.json> -DOUTPUT=<file.cpp> -P embed_recipes.cmake
# Writes the definition of metatape::embedded_recipes(), so that the command needs no source tree.
file(GLOB recipes ${FOLDER}/*.json)
list(SORT recipes)
list(LENGTH recipes count)
set(rows "")
foreach(recipe ${recipes})
  get_filename_component(name ${recipe} NAME_WLE)
  file(READ ${recipe} json)
  string(APPEND rows "    {\"${name}\", R\"recipe(${json})recipe\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"meta/recipes/embedded.h\"

#include <array>

namespace metatape {
namespace {

constexpr std::array<EmbeddedRecipe, ${count}> kRecipes = {{
${rows}}};

}  // namespace

std::span<const EmbeddedRecipe> embedded_recipes() { return kRecipes; }

}  // namespace metatape
")
