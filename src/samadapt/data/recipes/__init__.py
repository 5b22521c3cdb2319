"""Dataset recipes: one small file for each layout, from files on disk to cases with labels."""

from samadapt.data.recipes.base import CaseSource, Found, LoadedCase, ObjectMask, Recipe, RecipeInfo
from samadapt.data.recipes.registry import detect, get, names, register

__all__ = [
    "CaseSource",
    "Found",
    "LoadedCase",
    "ObjectMask",
    "Recipe",
    "RecipeInfo",
    "detect",
    "get",
    "names",
    "register",
]
