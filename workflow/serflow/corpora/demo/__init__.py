"""Demo corpora: synthetic emotional speech in the trees and under the names of real corpora.

It says nothing about people: numbers made from it show that the workflow runs, and no more.
"""
